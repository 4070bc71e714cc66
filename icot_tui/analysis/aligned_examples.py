"""Many examples aligned, so that a column means the same in all of them.

N examples, C aligned columns, L columns of the padded batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.curriculum.removal import Batch
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.evaluate import position_table
from icot_tui.errors import UserError

LETTERS = "abdefghijklmnopqrstuvw"
"""Names of operands; c is the answer's."""


@dataclass(frozen=True, kw_only=True)
class AlignedExamples:
    """Examples as a model reads them at a stage: the gold tokens after removal.

    Inputs of different lengths are aligned at the first separator: the last columns of each that
    all of them have, and what follows it.

    stage      tokens removed
    split      [N] the examples
    batch      their rows
    columns    [N, C] index of each column in its row
    names      [C] a0, a1, *, b0, SEP, z5, SEP2, ####, c0, ...; x-2: two before SEP
    tokens     [N, C] the token in each column
    separator  the column of the first separator
    answer     the column of c0; column answer + k - 1 predicts c_k
    kept       indices of the chain-of-thought tokens that are left, of the shortest chain
    hidden     indices of its other tokens
    """

    stage: int
    split: EncodedSplit
    batch: Batch
    columns: NDArray[np.int64]
    names: tuple[str, ...]
    tokens: NDArray[np.int64]
    separator: int
    answer: int
    kept: tuple[int, ...]
    hidden: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.batch)

    @classmethod
    def of(cls, model: LoadedModel, split: EncodedSplit, stage: int) -> "AlignedExamples":
        """Align the examples of a split.

        Raises:
            UserError: too long for the model, or of different shapes where all must be alike.
        """
        token_format = model.token_format
        batch = token_format.batch(split, np.arange(len(split)), stage)
        _check_length(batch, position_table(model.lm))
        before = int(batch.prompt_lengths.min())
        after = int((batch.lengths - batch.prompt_lengths).min()) - 1  # the last predicts nothing
        columns = batch.prompt_lengths[:, None] + np.arange(-before, after)
        tokens = np.take_along_axis(batch.ids, columns, axis=1)
        shortest = int(split.cot_lengths.min())
        hidden = tuple(sorted(token_format.plan.removal_order(shortest)[:stage]))
        kept = tuple(place for place in range(shortest) if place not in hidden)
        written = int(batch.cot_lengths.max())
        if written != int(batch.cot_lengths.min()):
            raise UserError(
                "the examples differ in how many chain-of-thought tokens are written at stage "
                f"{stage}: look at a checkpoint that has removed all of them"
            )
        example = split.example(0)
        section = example[split.prompt_lengths[0] + split.cot_lengths[0] + 1 : -1].tolist()
        mark = AnswerReader(token_format).mark_length(section)
        if mark is None:
            raise UserError("the tokenizer does not give '####' back")
        answer = before + written + 1 + mark
        texts = [model.token_text(token) for token in tokens[0].tolist()]
        operands = (tokens != tokens[:1]).any(axis=0)
        operands[before - 1 :] = False
        if (batch.prompt_lengths == before).all():
            texts[: before - 1] = _operand_names(texts[: before - 1], operands)
        else:  # aligned at its end, an operand's first digits may be missing
            for column in np.flatnonzero(operands).tolist():
                texts[column] = f"x-{before - 1 - column}"
        texts[before : before + len(kept)] = [f"z{place + 1}" for place in kept]
        texts[answer:] = [f"c{digit}" for digit in range(len(texts) - answer)]
        return cls(
            stage=stage,
            split=split,
            batch=batch,
            columns=columns,
            names=_distinct(texts),
            tokens=tokens,
            separator=before - 1,
            answer=answer,
            kept=kept,
            hidden=hidden,
        )

    @property
    def digits(self) -> int:
        """K, tokens of the answer that all examples have."""
        return len(self.names) - self.answer

    @property
    def varies(self) -> NDArray[np.bool_]:
        """[C] do the examples differ in this column's token?"""
        differs: NDArray[np.bool_] = (self.tokens != self.tokens[:1]).any(axis=0)
        return differs

    def inputs(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Token ids and position ids [n, L] of some rows; no position ids where they are plain."""
        positions = self.batch.positions
        ids = torch.from_numpy(self.batch.ids[rows])
        return ids, None if positions is None else torch.from_numpy(positions[rows])

    def answer_tokens(self, digit: int) -> NDArray[np.int64]:
        """[N] the gold token of c_k."""
        return self.tokens[:, self.answer + digit]

    def before_answer(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Index into [n, L, ...] of the n rows' K positions that predict the answer."""
        columns = torch.from_numpy(self.columns[rows, self.answer - 1 : -1])
        return torch.arange(len(rows))[:, None], columns


def _check_length(batch: Batch, table: int | None) -> None:
    last = batch.lengths if batch.positions is None else batch.positions.max(axis=1) + 1
    if table is not None and int(last.max(initial=0)) > table:
        raise UserError(
            f"the longest example needs {int(last.max())} positions, but the model has {table}"
        )


def _operand_names(texts: list[str], varies: NDArray[np.bool_]) -> list[str]:
    """a0, a1, *, b0, ...: each run of columns that vary is an operand."""
    names: list[str] = []
    operand = place = 0
    for text, differs in zip(texts, varies.tolist(), strict=False):
        if differs:
            names.append(f"{LETTERS[operand % len(LETTERS)]}{place}")
            place += 1
        else:
            names.append(text)
            operand, place = operand + (place > 0), 0
    return names


def _distinct(names: list[str]) -> tuple[str, ...]:
    """SEP, SEP2, ...: a name's repetitions are numbered."""
    return tuple(
        name if name not in names[:at] else f"{name}{names[: at + 1].count(name)}"
        for at, name in enumerate(names)
    )
