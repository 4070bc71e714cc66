"""Where the text of the splits comes from: a generated task, or files."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from icot_tui.config import DataConfig
from icot_tui.config.sections import OptionValues
from icot_tui.data.comparison import DECIDING
from icot_tui.data.doubts import ExampleDoubts
from icot_tui.data.examples import (
    CHUNK_BYTES,
    Chunk,
    characters,
    chunk_examples,
    limited,
)
from icot_tui.data.overlap import Overlap, example_hashes, repeated, shared
from icot_tui.data.reading import ExampleReader
from icot_tui.data.steps import mark_steps
from icot_tui.data.tasks import Problems, Task, make_task
from icot_tui.errors import UserError
from icot_tui.units import Unit

GENERATOR_VERSION = 2
"""To be raised when the same settings would give other text."""
LINES_MEASURED = 256


@dataclass
class ExampleSource(ABC):
    """Text of the splits, read as often as is needed.

    task  the task that generates the text, if one does
    unit  of removal; for "step", the lines have a mark after each step (`data.steps`)
    """

    config: DataConfig
    task: Task | None = None
    unit: Unit = "token"

    @property
    def names(self) -> list[str]:
        """The splits there are: train, validation, and test and ood if there are such."""
        config = self.config
        own = ["test"] * (config.test_examples > 0) + ["ood"] * bool(config.ood_options)
        return ["train", "validation", *own]

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """All that the text depends on, in plain values."""

    @abstractmethod
    def chunks(self, split: str) -> Iterator[Chunk]:
        """The lines of a split."""

    @abstractmethod
    def alphabet(self) -> set[str]:
        """The characters that a tokenizer made for this text must know."""

    def doubts(self) -> tuple[list[str], list[Overlap]]:
        """What is doubtful about the text, a sentence each; what stands in two splits."""
        return [], []


def open_source(config: DataConfig, unit: Unit = "token") -> ExampleSource:
    """The source that the data section describes, not yet read; a UserError if it is wrong."""
    if config.task is None:
        for key in ("options", "test_examples"):
            if getattr(config, key):
                raise UserError(f"data.{key} is for generated tasks: leave it out beside files")
        return FileSource(config, unit=unit)
    source = TaskSource(config, make_task(config.task, config.options), unit)
    if config.ood_options and source.ood_task.options == source.task.options:
        raise UserError("data.ood_options are the task's own: say what is longer or deeper")
    if config.train_options and source.train_task.options == source.task.options:
        raise UserError("data.train_options are the task's own: leave them out")
    return source


def first_answers(source: ExampleSource, count: int = DECIDING) -> list[str]:
    """The first answers of the validation split; a UserError if it cannot be read."""
    examples = (one for chunk in source.chunks("validation") for _, one in chunk_examples(chunk))
    return [example.answer for example in islice(examples, count)]


@dataclass
class TaskSource(ExampleSource):
    """Distinct problems, so that no split shares one with another, not even in another order.

    A model that was trained on 34 * 12 has seen the answer of 12 * 34: such problems stand in one
    split. Validation and test are drawn first: they stay the same whatever is trained on. The
    out-of-distribution split is of the same task with other options, and so may be the training
    problems.
    """

    task: Task

    @cached_property
    def train_task(self) -> Task:
        """The task of the split `train`."""
        return self._with_options("train_options", self.config.train_options)

    @cached_property
    def ood_task(self) -> Task:
        """The task of the split `ood`."""
        return self._with_options("ood_options", self.config.ood_options)

    def _with_options(self, key: str, options: OptionValues) -> Task:
        if not options:
            return self.task
        try:
            return make_task(self.task.name, self.config.options | options)
        except UserError as error:
            raise UserError(f"with data.{key}, {error}") from error

    def task_of(self, split: str) -> Task:
        """The task that makes the text of a split."""
        return {"train": self.train_task, "ood": self.ood_task}.get(split, self.task)

    def identity(self) -> dict[str, object]:
        config = self.config
        counts = [config.train_examples, config.validation_examples, config.test_examples]
        found: dict[str, object] = {
            "task": self.task.name,
            "options": self.task.options,
            "seed": config.seed,
            "examples": counts,
            "generator": GENERATOR_VERSION,
        }
        if config.train_options:
            found["train"] = self.train_task.options
        if config.ood_options:
            found["ood"] = [self.ood_task.options, config.ood_examples]
        return found

    def chunks(self, split: str) -> Iterator[Chunk]:
        task = self.task_of(split)
        problems = self.problems[split]
        measured = problems[:LINES_MEASURED]
        step = max(1, CHUNK_BYTES * len(measured) // len(task.lines(measured)))
        for start in range(0, len(problems), step):
            lines = task.lines(problems[start : start + step])
            if self.unit == "step":
                lines = mark_steps(lines, task.step_ends)
            marked = self.unit == "step"
            yield Chunk(lines, f"task {task.name}", start + 1, marked=marked)

    def alphabet(self) -> set[str]:
        return {symbol for name in self.names for symbol in self.task_of(name).alphabet}

    @cached_property
    def problems(self) -> dict[str, Problems]:
        """The problems of each split.

        Raises:
            UserError: more are asked for than there are, or train_examples is missing.
        """
        self._check_counts()
        config, capacity = self.config, self.task.capacity
        wanted = 0 if config.train_options else config.train_examples
        held_out = config.validation_examples + config.test_examples
        drawn = capacity or held_out + (wanted or 0)
        while True:
            parts, missing = self._divide(drawn, wanted)
            if not missing:
                break
            if capacity is not None:
                raise UserError(
                    f"the task {self.task.name} has {missing} problems too few, because what one "
                    "split holds no other may hold in another order: lower data.train_examples, "
                    "data.validation_examples or data.test_examples"
                )
            drawn += missing
        if config.train_options:
            parts["train"] = self._other_problems("train", config.train_examples or 0, parts, 2)
        if config.ood_options:
            parts["ood"] = self._other_problems("ood", config.ood_examples, parts, 1)
        return {name: parts[name] for name in self.names}

    def _other_problems(
        self, split: str, count: int, others: dict[str, Problems], stream: int
    ) -> Problems:
        """The problems of a split with options of its own: those of others are left out."""
        task = self.task_of(split)
        keys = [self.task_of(name).order_free_keys(part) for name, part in others.items()]
        known = np.concatenate(keys)
        drawn = most = count
        while True:
            most = min(drawn, task.capacity or drawn)
            problems = task.sample(most, np.random.default_rng((self.config.seed, stream)))
            new = problems[~np.isin(task.order_free_keys(problems), known)]
            if len(new) >= count:
                return new[:count]
            if most < drawn:
                raise UserError(
                    f"data.{split}_options give only {len(new)} problems that no other split has: "
                    f"lower data.{split}_examples, or choose options with more problems"
                )
            drawn += drawn // 8 + 1

    def _divide(self, drawn: int, train_examples: int | None) -> tuple[dict[str, Problems], int]:
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
            ("train", train_examples, every),
        ):
            taken = order[group[order] >= free][:count]
            parts[name] = problems[taken]
            missing += max(0, (1 if count is None else count) - len(taken))
            free = group[taken].max(initial=free - 1) + 1
        return parts, missing

    def _check_counts(self) -> None:
        config, capacity = self.config, self.task.capacity
        held_out = config.validation_examples + config.test_examples
        if config.train_options and config.train_examples is None:
            raise UserError("data.train_examples is missing: data.train_options need it")
        trained = 0 if config.train_options else config.train_examples or 1
        if capacity is not None and held_out + trained > capacity:
            raise UserError(
                f"the task {self.task.name} has only {capacity} distinct problems, fewer than "
                f"{held_out} for validation and test and {trained} to train on: "
                "lower data.train_examples, data.validation_examples or data.test_examples"
            )
        if config.train_examples is None and capacity is None:
            raise UserError(
                f"data.train_examples is missing: the task {self.task.name} has too many problems "
                "to train on all of them"
            )


@dataclass
class FileSource(ExampleSource):
    """Files, folders or datasets, each read in its own format; a share of train may be held out."""

    @property
    def names(self) -> list[str]:
        return ["train", "validation"] + ["test"] * (self.config.test is not None)

    def identity(self) -> dict[str, object]:
        limits = [self.config.train_examples, self.config.validation_examples]
        files = [reader.identity() for reader in self._readers.values()]
        held_out = [self.config.validation] * (self.config.validation_share is not None)
        return {"files": files + held_out, "examples": limits}

    def chunks(self, split: str) -> Iterator[Chunk]:
        limits = {"train": self.config.train_examples, "test": None}
        limit = limits.get(split, self.config.validation_examples)
        if self.config.validation_share is None or split == "test":
            yield from self._readers[split].chunks(limit)
            return
        kept = (
            self._kept(chunk, split == "validation") for chunk in self._readers["train"].chunks()
        )
        yield from limited(kept, limit)

    def alphabet(self) -> set[str]:
        return characters(chunk for name in self.names for chunk in self.chunks(name))

    def doubts(self) -> tuple[list[str], list[Overlap]]:
        seen = ExampleDoubts()
        chunks = {name: self.chunks(name) for name in self.names}
        chunks["train"] = seen.watching(chunks["train"])
        hashes = {name: example_hashes(part) for name, part in chunks.items()}
        found = [told for reader in self._readers.values() for told in reader.told()]
        found += [f"{self._source('train')}: {sentence}" for sentence in seen.sentences()]
        wanted = self.config.train_examples or 0
        if len(hashes["train"]) < wanted:
            found.append(
                f"{self._source('train')} has only {len(hashes['train'])} examples, "
                f"not the {wanted} of data.train_examples"
            )
        for name, own in hashes.items():
            if count := repeated(own):
                found.append(f"{self._source(name)}: {count} inputs repeat an earlier one")
        overlaps = (
            Overlap(
                first=first,
                second=second,
                count=shared(hashes[first], hashes[second]),
                of=len(hashes[second]),
                same_source=self._source(first) == self._source(second),
            )
            for first, second in combinations(self.names, 2)
        )
        return found, [one for one in overlaps if one.count]

    @cached_property
    def _readers(self) -> dict[str, ExampleReader]:
        shares = self.config.validation_share is not None
        names = [name for name in self.names if not (shares and name == "validation")]
        return {
            name: ExampleReader.of(self._source(name), name, self.config, self.unit)
            for name in names
        }

    def _source(self, split: str) -> str:
        chosen: str | None = getattr(self.config, split)
        assert chosen is not None, "the config is checked: files come in pairs"
        return chosen

    @cached_property
    def _last_held_out(self) -> int:
        """Inputs with a checksum up to this are held out: the share of the training data."""
        examples = (
            e for chunk in self._readers["train"].chunks() for _, e in chunk_examples(chunk)
        )
        sums = np.fromiter((_checksum(e.input.encode()) for e in examples), dtype=np.int64)
        count = round((self.config.validation_share or 0) * len(sums))
        count = min(max(count, 1), self.config.validation_examples)
        last = int(np.sort(sums)[count - 1])
        if (sums <= last).all():
            raise UserError(
                f"{self._source('train')} has too few examples to hold out "
                f"{self.config.validation} of them: give data.validation"
            )
        return last

    def _kept(self, chunk: Chunk, held_out: bool) -> Chunk:
        """The lines of a chunk that are held out, or the others."""
        lines = list(chunk.lines())
        inputs = (line.partition(b"||")[0].strip() for line in lines)
        kept = (
            line
            for line, x in zip(lines, inputs, strict=True)
            if line.strip() and (_checksum(x) <= self._last_held_out) == held_out
        )
        return replace(
            chunk, text=b"".join(kept), unit=f"{self.config.validation} split {chunk.unit}"
        )


def _checksum(x: bytes) -> int:
    """The same for the same input but for blanks, on any machine."""
    return zlib.crc32(x.replace(b" ", b""))


def _numbered(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """[n] a number for each of [n] keys: equal ones share theirs, the first has 0."""
    first, same = np.unique(keys, return_index=True, return_inverse=True)[1:]
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    numbered: NDArray[np.int64] = number[same]
    return numbered
