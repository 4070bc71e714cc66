"""Where the text of the splits comes from: a generated task, or files."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icot_tui.config import DataConfig
from icot_tui.data.examples import (
    CHUNK_BYTES,
    Chunk,
    characters,
    chunk_examples,
    input_hashes,
    read_chunks,
)
from icot_tui.data.tasks import Problems, Task, make_task
from icot_tui.errors import UserError

GENERATOR_VERSION = 2
"""To be raised when the same settings would give other text."""
LINES_MEASURED = 256


@dataclass
class ExampleSource(ABC):
    """Text of the splits, read as often as is needed.

    task  the task that generates the text, if one does
    """

    config: DataConfig
    task: Task | None = None

    @property
    def names(self) -> list[str]:
        """The splits there are: train, validation, and test if there is one."""
        return ["train", "validation"] + ["test"] * (self.config.test_examples > 0)

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """All that the text depends on, in plain values."""

    @abstractmethod
    def chunks(self, split: str) -> Iterator[Chunk]:
        """The lines of a split."""

    @abstractmethod
    def alphabet(self) -> set[str]:
        """The characters that a tokenizer made for this text must know."""

    def warnings(self) -> list[str]:
        """What is doubtful about the text, a sentence each."""
        return []


def open_source(config: DataConfig) -> ExampleSource:
    """The source that the data section describes, not yet read; a UserError if it is wrong."""
    if config.task is None:
        for key in ("options", "test_examples"):
            if getattr(config, key):
                raise UserError(f"data.{key} is for generated tasks: leave it out beside files")
        return FileSource(config)
    return TaskSource(config, make_task(config.task, config.options))


def first_answers(source: ExampleSource, count: int = 256) -> list[str]:
    """The first answers of the validation split; a UserError if it cannot be read."""
    examples = (one for chunk in source.chunks("validation") for _, one in chunk_examples(chunk))
    return [example.answer for example in islice(examples, count)]


@dataclass
class TaskSource(ExampleSource):
    """Distinct problems, so that no split shares one with another, not even in another order.

    A model that was trained on 34 * 12 has seen the answer of 12 * 34: such problems stand in one
    split. Validation and test are drawn first: they stay the same whatever is trained on.
    """

    task: Task

    def identity(self) -> dict[str, object]:
        config = self.config
        return {
            "task": self.task.name,
            "options": self.task.options,
            "seed": config.seed,
            "examples": [config.train_examples, config.validation_examples, config.test_examples],
            "generator": GENERATOR_VERSION,
        }

    def chunks(self, split: str) -> Iterator[Chunk]:
        problems = self.problems[split]
        measured = problems[:LINES_MEASURED]
        step = max(1, CHUNK_BYTES * len(measured) // len(self.task.lines(measured)))
        for start in range(0, len(problems), step):
            lines = self.task.lines(problems[start : start + step])
            yield Chunk(lines, f"task {self.task.name}", start + 1)

    def alphabet(self) -> set[str]:
        return set(self.task.alphabet)

    @cached_property
    def problems(self) -> dict[str, Problems]:
        """The problems of each split.

        Raises:
            UserError: more are asked for than there are, or train_examples is missing.
        """
        self._check_counts()
        config, capacity = self.config, self.task.capacity
        held_out = config.validation_examples + config.test_examples
        drawn = capacity or held_out + (config.train_examples or 0)
        while True:
            parts, missing = self._divide(drawn)
            if not missing:
                return {name: parts[name] for name in self.names}
            if capacity is not None:
                raise UserError(
                    f"the task {self.task.name} has {missing} problems too few, because what one "
                    "split holds no other may hold in another order: lower data.train_examples, "
                    "data.validation_examples or data.test_examples"
                )
            drawn += missing

    def _divide(self, drawn: int) -> tuple[dict[str, Problems], int]:
        """So many problems divided, and how many more would be needed.

        Groups are problems equal up to order, numbered as they come. Where all problems there are
        have been drawn, all orders of a held-out one are held out; otherwise training problems in
        its other orders are left out.
        """
        config = self.config
        problems = self.task.sample(drawn, np.random.default_rng(config.seed))
        group = _numbered(self.task.order_free_keys(problems))
        every = np.arange(drawn)
        held_out = every if self.task.capacity is None else np.argsort(group, kind="stable")
        parts, missing, free = {}, 0, 0
        for name, count, order in (
            ("validation", config.validation_examples, held_out),
            ("test", config.test_examples, held_out),
            ("train", config.train_examples, every),
        ):
            taken = order[group[order] >= free][:count]
            parts[name] = problems[taken]
            missing += max(0, (1 if count is None else count) - len(taken))
            free = group[taken].max(initial=free - 1) + 1
        return parts, missing

    def _check_counts(self) -> None:
        config, capacity = self.config, self.task.capacity
        held_out = config.validation_examples + config.test_examples
        if capacity is not None and held_out + (config.train_examples or 1) > capacity:
            raise UserError(
                f"the task {self.task.name} has only {capacity} distinct problems, fewer than "
                f"{held_out} for validation and test and {config.train_examples or 1} to train on: "
                "lower data.train_examples, data.validation_examples or data.test_examples"
            )
        if config.train_examples is None and capacity is None:
            raise UserError(
                f"data.train_examples is missing: the task {self.task.name} has too many problems "
                "to train on all of them"
            )


@dataclass
class FileSource(ExampleSource):
    """Files of `input||chain of thought #### answer` lines; there is no test split."""

    def identity(self) -> dict[str, object]:
        limits = [self.config.train_examples, self.config.validation_examples]
        return {"files": [_digest(self._path(name)) for name in self.names], "examples": limits}

    def chunks(self, split: str) -> Iterator[Chunk]:
        return read_chunks(self._path(split), getattr(self.config, f"{split}_examples"))

    def alphabet(self) -> set[str]:
        return characters(chunk for name in self.names for chunk in self.chunks(name))

    def warnings(self) -> list[str]:
        train, validation = (input_hashes(self.chunks(name)) for name in self.names)
        found, wanted = [], self.config.train_examples or 0
        if len(train) < wanted:
            found.append(
                f"{self._path('train')} has only {len(train)} examples, "
                f"not the {wanted} of data.train_examples"
            )
        for name, hashes in zip(self.names, (train, validation), strict=True):
            if count := repeated(hashes):
                found.append(f"{self._path(name)}: {count} inputs repeat an earlier one")
        if count := shared(train, validation):
            found.append(
                f"{count} of the {len(validation)} validation inputs are also in the training "
                "file: held-out accuracy will look too good"
            )
        return found

    def _path(self, split: str) -> Path:
        chosen: str | None = getattr(self.config, split)
        assert chosen is not None, "the config is checked: files come in pairs"
        return Path(chosen).expanduser()


def _numbered(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """[n] a number for each of [n] keys: equal ones share theirs, the first has 0."""
    first, same = np.unique(keys, return_index=True, return_inverse=True)[1:]
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    numbered: NDArray[np.int64] = number[same]
    return numbered


def repeated(hashes: NDArray[np.int64]) -> int:
    """How many of [N] hashed inputs repeat an earlier one."""
    return len(hashes) - len(np.unique(hashes))


def shared(train: NDArray[np.int64], held_out: NDArray[np.int64]) -> int:
    """How many of the held-out inputs are also trained on."""
    return int(np.isin(held_out, train).sum())


def _digest(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        next(read_chunks(path))  # says what is wrong
        raise
