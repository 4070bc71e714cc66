"""Many examples laid on one another: which column means the same in all of them.

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
"""Operands; c is the answer's."""


@dataclass(frozen=True)
class AlignedExamples:
    """Examples as a model reads them at a stage: the gold tokens after removal.

    Inputs of unlike length are aligned at the first separator: the last columns of each that all
    of them have, and what follows it.

    stage      tokens removed
    split      [N] the examples
    batch      their rows
    columns    [N, C] index of each column in its row
    names      [C] a0, a1, *, b0, SEP, z5, SEP2, ####, c0, ...; x-2: two before SEP
    tokens     [N, C] the token that is fed there
    separator  the column of the first separator
    answer     the column in which c0 is fed; column answer + k - 1 predicts c_k
    digits     K, tokens of the answer that all examples have
    kept       places of the chain of thought that are still fed, of the shortest chain
    hidden     its other places
    """

    stage: int
    split: EncodedSplit
    batch: Batch
    columns: NDArray[np.int64]
    names: tuple[str, ...]
    tokens: NDArray[np.int64]
    separator: int
    answer: int
    digits: int
    kept: tuple[int, ...]
    hidden: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.batch)

    @classmethod
    def of(cls, model: LoadedModel, split: EncodedSplit, stage: int) -> "AlignedExamples":
        """Lay out the examples of a split.

        Raises:
            UserError: too long for the model, or of unlike shapes where all must be alike.
        """
        token_format = model.token_format
        batch = token_format.batch(split, np.arange(len(split)), stage)
        table = position_table(model.lm)
        last = batch.lengths if batch.positions is None else batch.positions.max(axis=1) + 1
        if table is not None and int(last.max(initial=0)) > table:
            raise UserError(
                f"the longest example needs {int(last.max())} positions, but the model has {table}"
            )
        before = int(batch.prompt_lengths.min())
        after = int((batch.lengths - batch.prompt_lengths).min()) - 1  # the last predicts nothing
        columns = batch.prompt_lengths[:, None] + np.arange(-before, after)
        tokens = np.take_along_axis(batch.ids, columns, axis=1)
        shortest = int(split.cot_lengths.min())
        order = token_format.plan.removal_order(shortest)
        hidden = tuple(sorted(order[:stage]))
        kept = tuple(place for place in range(shortest) if place not in hidden)
        written = int(batch.cot_lengths.max())
        if written != int(batch.cot_lengths.min()):
            raise UserError(
                "the examples have unlike numbers of written chain-of-thought tokens at stage "
                f"{stage}: look at a checkpoint that has removed all of them"
            )
        answers = AnswerReader(token_format)
        start = before + written + 1
        example = split.example(0)
        section = example[split.prompt_lengths[0] + split.cot_lengths[0] + 1 : -1].tolist()
        mark = answers.mark_length(section)
        if mark is None:
            raise UserError("the tokenizer does not give '####' back")
        alike = bool((batch.prompt_lengths == before).all())
        names = _names(model, tokens, before, kept, start + mark, alike)
        digits = columns.shape[1] - start - mark
        return cls(
            stage, split, batch, columns, names, tokens, before - 1, start + mark, digits,
            kept, hidden,
        )  # fmt: skip

    @property
    def varies(self) -> NDArray[np.bool_]:
        """[C] do the examples differ in the token that is fed there?"""
        differs: NDArray[np.bool_] = (self.tokens != self.tokens[:1]).any(axis=0)
        return differs

    def rows(self, where: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Some rows for the model: ids and position ids [n, L]."""
        ids = torch.from_numpy(self.batch.ids[where])
        if self.batch.positions is None:
            return ids, None
        return ids, torch.from_numpy(self.batch.positions[where])

    def answer_tokens(self, digit: int) -> NDArray[np.int64]:
        """[N] the gold token of c_k."""
        return self.tokens[:, self.answer + digit]


def _names(
    model: LoadedModel,
    tokens: NDArray[np.int64],
    before: int,
    kept: tuple[int, ...],
    answer: int,
    alike: bool,
) -> tuple[str, ...]:
    names: list[str] = []
    same = (tokens == tokens[:1]).all(axis=0)
    operand, place = 0, 0
    for column, token in enumerate(tokens[0].tolist()):
        text = model.token_text(token)
        if column >= answer:
            names.append(f"c{column - answer}")
        elif before <= column < before + len(kept):
            names.append(f"z{kept[column - before] + 1}")
        elif column >= before - 1 or same[column]:
            names.append(text)
            operand, place = operand + (place > 0), 0
        elif not alike:  # aligned at its end, an operand's first digits may be missing
            names.append(f"x-{before - 1 - column}")
        else:
            names.append(f"{LETTERS[operand % len(LETTERS)]}{place}")
            place += 1
    return tuple(
        name if name not in names[:at] else f"{name}{names[: at + 1].count(name)}"
        for at, name in enumerate(names)
    )
