"""What an export starts from: a checkpoint, held-out questions, and its own answers to them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from icot_tui.config import method_of
from icot_tui.data.comparison import Compare, equal_answers
from icot_tui.data.encoding import decode_example
from icot_tui.data.examples import Example
from icot_tui.engine.checkpoints.opened import OpenedCheckpoint
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.evaluate import position_table
from icot_tui.engine.evaluation.held_out import (
    PreparedModel,
    compare_of,
    examples_of,
    prepare,
)
from icot_tui.engine.evaluation.staged_examples import StagedExamples
from icot_tui.errors import UserError
from icot_tui.runs.opening import open_checkpoint

FEWEST_QUESTIONS = 200
"""Held-out questions that an export must answer as icot-tui does."""


@dataclass(frozen=True, kw_only=True)
class ExportSource:
    """An opened checkpoint and what it answers.

    Attributes:
        opened: the checkpoint; its model has not been changed yet.
        prepared: the same model with the held-out split in its tokens.
        examples: the questions at the checkpoint's stage, with lengths, budgets and positions.
        texts: the questions, chains of thought and right answers.
        answers: its own greedy answers; None where it gave none.
        compare: how they are compared with the right ones.
    """

    opened: OpenedCheckpoint
    prepared: PreparedModel
    examples: StagedExamples
    texts: list[Example]
    answers: list[str | None]
    compare: Compare

    @property
    def budget(self) -> int:
        """Tokens that it may write."""
        return int(self.examples.budgets.max())

    @property
    def correct(self) -> int:
        """Answers that are right."""
        pairs = zip(self.answers, self.texts, strict=True)
        return sum(
            answer is not None and equal_answers(answer, text.answer, self.compare)
            for answer, text in pairs
        )


def read_source(path: Path, data: Path | None, questions: int | None) -> ExportSource:
    """Open a checkpoint, and let it answer held-out questions.

    Args:
        path: its folder.
        data: a file of examples; None: the run's held-out ones.
        questions: how many; None: all.

    Raises:
        UserError: it is no plain language model, its stage is not known, or there are too few
            questions.
    """
    opened = open_checkpoint(path)
    _check_plain(opened)
    text = examples_of(opened, data, questions)
    prepared = prepare(opened, None, text, "cpu")
    count = len(prepared.split)
    if count < FEWEST_QUESTIONS:
        raise UserError(
            f"{text.source} has {count:,} examples, and an export is proven with at least "
            f"{FEWEST_QUESTIONS}: give a file with more of them with --data"
        )
    everything = np.arange(count)
    most = None if opened.config is None else opened.config.evaluation.max_new_tokens
    examples = StagedExamples.of(
        prepared.token_format,
        prepared.split,
        everything,
        prepared.stage,
        most,
        position_table(prepared.lm),
    )
    texts = [decode_example(opened.tokenizer, prepared.split, row) for row in range(count)]
    return ExportSource(
        opened=opened,
        prepared=prepared,
        examples=examples,
        texts=texts,
        answers=_own_answers(prepared, examples),
        compare=compare_of(opened, text),
    )


def _check_plain(opened: OpenedCheckpoint) -> None:
    config, about = opened.config, opened.description
    plain = config is None or method_of(config).plain_model
    if opened.answer_only or not plain or (about is not None and not about.language_model):
        raise UserError(
            f"{opened.path} holds more than a language model, which no other program knows: "
            "only plain language models are exported"
        )


def _own_answers(prepared: PreparedModel, examples: StagedExamples) -> list[str | None]:
    everything = np.arange(len(examples))
    prefixes = examples.prefixes(everything, np.zeros_like(everything))
    written = decode(prepared.lm, prefixes, prepared.token_format.separators)
    reader = AnswerReader(prepared.token_format)
    sections = (reader.section(written.row(row)) for row in range(len(examples)))
    return [None if section is None else reader.text(section) or None for section in sections]


def check_answers(source: ExportSource, given: list[str | None], program: str) -> None:
    """Refuse an export whose answers differ from icot-tui's own.

    Raises:
        UserError: it names the first difference.
    """
    rows = zip(source.texts, source.answers, given, strict=True)
    different = [(text.input, own, other) for text, own, other in rows if own != (other or None)]
    if different:
        question, own, other = different[0]
        raise UserError(
            f"nothing was exported: {program} answers {len(different):,} of {len(given):,} "
            f"held-out questions otherwise than icot-tui, first '{question}' with "
            f"{_said(other)} instead of {_said(own)}",
            1,
        )


def _said(answer: str | None) -> str:
    return f"'{answer}'" if answer else "no answer"
