"""From what a person types to what a model reads, with the correct answer where it is known."""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.config import DataConfig
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import Encoder, decode_example
from icot_tui.data.examples import ANSWER_MARK, INPUT_END, Chunk, chunk_examples, parse_line
from icot_tui.data.splits import open_source
from icot_tui.data.steps import MARK, StepRule, mark_steps
from icot_tui.data.tasks import Task, make_task
from icot_tui.data.tokenizing import encode_prompt
from icot_tui.errors import UserError
from icot_tui.units import Unit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EXAMPLES = 32  # examples that the typical length of chains of thought is taken from


@dataclass(frozen=True)
class Question:
    """One question in a tokenizer's own form.

    text    as it was typed
    input   x, as the model reads it
    shown   x, as a person writes it
    prompt  token ids of ` {x} SEP`
    gold    the whole example as token ids, one row; None where the correct answer is unknown
    """

    text: str
    input: str
    shown: str
    prompt: tuple[int, ...]
    gold: EncodedSplit | None


class QuestionReader:
    """Reads questions for one tokenizer.

    Args:
        tokenizer: the checkpoint's.
        data: of its run: the task, or the held-out file, knows the answers.
        typical: median length of the chains of thought, in tokens, where it is known already.
        unit: of removal; the ends of steps are known of gold examples if it is "step".
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        data: DataConfig | None,
        typical: int | None = None,
        unit: Unit = "token",
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder = Encoder(tokenizer, fast=False)
        self._data = data
        self._typical = typical
        self._unit = unit

    @cached_property
    def task(self) -> Task | None:
        data = self._data
        return None if data is None or data.task is None else make_task(data.task, data.options)

    @cached_property
    def _known(self) -> dict[str, str]:
        """Lines of the run's held-out file by their inputs."""
        data = self._data
        if data is None or data.validation is None:
            return {}
        try:
            lines = chain.from_iterable(
                map(chunk_examples, open_source(data, self._unit).chunks("validation"))
            )
            return {e.input: f"{e.input}||{e.cot} #### {e.answer}" for _, e in lines}
        except UserError:  # moved or changed since: questions can still be asked
            return {}

    @cached_property
    def typical_cot_tokens(self) -> int | None:
        """Median length of chains of thought of the task or the file; None without either."""
        if self._typical is not None:
            return self._typical
        task = self.task
        if task is None:
            lines = list(self._known.values())[:EXAMPLES]
        else:
            count = min(EXAMPLES, task.capacity or EXAMPLES)
            problems = task.sample(count, np.random.default_rng(0))
            lines = task.lines(problems).decode().splitlines()
        chains = [self._gold(line).max_cot_tokens for line in lines]
        return int(np.median(chains)) if chains else None

    def read(self, text: str, raw: bool = False) -> Question:
        """A question.

        Args:
            text: in human form such as `12*34`; or a whole line `input||... #### answer`.
            raw: the text is the model's own form of the input.

        Raises:
            UserError: the task cannot read it, or the tokenizer lacks one of its characters.
        """
        text = text.strip()
        if not text:
            raise UserError("the question is empty: write one")
        if INPUT_END in text and ANSWER_MARK in text:
            x = parse_line(text, "the question").input
            return self._question(text, x, self._gold(text))
        task = self.task
        if task is None:
            known = self._known.get(text)
            return self._question(text, text, None if known is None else self._gold(known))
        if not raw:
            problem = task.question(re.sub(r"\s*=[\s?]*$", "", text))  # `12*34=` is `12*34`
            gold = self._gold(_line(task, problem))
            return self._question(text, task.model_input(problem), gold)
        try:
            problem = task.question(task.human_input(text))
        except UserError:  # in the model's own form anything may be asked
            return self._question(text, text, None)
        exact = task.model_input(problem) == text
        return self._question(text, text, self._gold(_line(task, problem)) if exact else None)

    def example(self, split: EncodedSplit, index: int) -> Question:
        x = decode_example(self._tokenizer, split, index).input
        return self._question(self.shown_input(x), x, split.only(np.arange(len(split)) == index))

    def shown_input(self, x: str) -> str:
        """An input as a person writes it."""
        return x if self.task is None else self.task.human_input(x)

    def shown_answer(self, y: str) -> str:
        """An answer as a person writes it."""
        return y if self.task is None else self.task.human_answer(y)

    def _question(self, text: str, x: str, gold: EncodedSplit | None) -> Question:
        prompt = encode_prompt(self._tokenizer, x)
        unknown = self._tokenizer.unk_token_id
        if unknown is not None and unknown in prompt[:-1]:
            raise UserError("the tokenizer has no token for a part of the question: rephrase it")
        return Question(text, x, self.shown_input(x), tuple(prompt), gold)

    def _gold(self, line: str) -> EncodedSplit:
        text = line.encode() + b"\n"
        if self._unit == "step" and MARK not in line:
            rule = StepRule(None if self._data is None else self._data.step_end)
            text = rule.mark(text) if self.task is None else mark_steps(text, self.task.step_ends)
        return self._encoder.encode(Chunk(text, "the question", 1, marked=self._unit == "step"))


def read_questions(file: Path) -> list[str]:
    """The lines of a file that are not blank.

    Raises:
        UserError: it can't be read, or has none.
    """
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")  # as data is read
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{file} cannot be read: {reason}") from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise UserError(f"{file} has no questions: write one a line")
    return found


def _line(task: Task, problem: NDArray[np.uint8]) -> str:
    return task.lines(problem[None]).decode().rstrip("\n")
