"""Examples at a stage, before the model is asked: lengths, budgets, gold rows, prompts.

n examples; B rows that a model continues, L padded columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.curriculum.removal import Batch, RemovalPlan, TokenFormat, removed_tokens
from icot_tui.data.encoded import EncodedSplit

Ints = NDArray[np.int64]
SPARE_TOKENS = 8
"""Budget beyond the longest gold continuation, unless evaluation.max_new_tokens is given."""


@dataclass(frozen=True)
class PositionShift:
    """Position ids after removal: from token `start` of its row on, `tokens` more than the index.

    It depends only on how many tokens stand before, so that it also holds for tokens that are not
    written yet, and gives exactly the ids of `curriculum.removal.remove`. With side "right" the gap
    follows what is left of the chain of thought, and its place is taken from the gold chain: a
    model that writes a longer or shorter one meets the gap where training would have had it.
    """

    start: Ints  # [B] the first token that is shifted: the one just before the gap
    tokens: Ints  # [B] by how much; 0 without kept positions

    @classmethod
    def of(
        cls, plan: RemovalPlan, prompt_lengths: Ints, cot_lengths: Ints, removed: Ints
    ) -> "PositionShift":
        """For [B] rows with prompts ` {x} SEP`, `cot_lengths` tokens left and `removed` gone."""
        before_gap = prompt_lengths if plan.side == "left" else prompt_lengths + cot_lengths
        return cls(before_gap - 1, removed if plan.keep_positions else np.zeros_like(removed))

    def positions(self, columns: int) -> Ints:
        """[B, columns] position ids of rows that begin in column 0."""
        index = np.arange(columns)
        shifted: Ints = index + (index >= self.start[:, None]) * self.tokens[:, None]
        return shifted

    def rows(self, where: Ints) -> "PositionShift":
        return PositionShift(self.start[where], self.tokens[where])


@dataclass(frozen=True)
class Prefixes:
    """Rows to be continued."""

    ids: Ints  # [B, L] int64, padded on the left
    lengths: Ints  # [B] tokens of each row without padding
    shift: PositionShift  # position ids
    separators: Ints  # [B] separators already written after the prompt
    budgets: Ints  # [B] how many more tokens may be written

    @classmethod
    def from_rows(
        cls, rows: Sequence[Sequence[int]], shift: PositionShift, separators: Ints, budgets: Ints
    ) -> "Prefixes":
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        ids = np.zeros((len(rows), int(lengths.max(initial=0))), dtype=np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[len(line) - len(row) :] = row
        return cls(ids, lengths, shift, separators, budgets)

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, where: Ints) -> "Prefixes":
        """Some of the rows, without columns that are padding in all of them."""
        lengths = self.lengths[where]
        width = int(lengths.max(initial=0))
        return Prefixes(
            self.ids[where, self.ids.shape[1] - width :],
            lengths,
            self.shift.rows(where),
            self.separators[where],
            self.budgets[where],
        )


@dataclass(frozen=True, kw_only=True)
class StagedExamples:
    """n examples of a split, with `stage` tokens (or steps) removed and no smoothing."""

    token_format: TokenFormat
    split: EncodedSplit
    index: Ints  # [n] their places in the split
    stage: int
    prompt_lengths: Ints  # [n] tokens of ` {x} SEP`
    cot_lengths: Ints  # [n] chain-of-thought tokens that are left; -1: nor the second separator
    target_lengths: Ints  # [n] all tokens after the prompt
    budgets: Ints  # [n] how many tokens the model may write
    shift: PositionShift  # position ids

    @classmethod
    def of(
        cls,
        token_format: TokenFormat,
        split: EncodedSplit,
        index: Ints,
        stage: int,
        max_new_tokens: int | None,
        position_table: int | None,
    ) -> "StagedExamples":
        """The examples [n] `index` of a split.

        The budget of every row is `max_new_tokens`, or the split's longest target and SPARE_TOKENS
        more. It ends where the model's `position_table` does, but the gold tokens always fit.
        """
        plan = token_format.plan
        removed = removed_tokens(split, index, stage, plan)
        prompts = split.prompt_lengths[index].astype(np.int64)
        cots = split.cot_lengths[index] - removed
        targets = split.lengths[index] - prompts - removed
        shift = PositionShift.of(plan, prompts, cots, removed)
        most = max_new_tokens or _longest_target(split, stage, plan) + SPARE_TOKENS
        budgets = np.full(len(index), most)
        if position_table is not None:
            room = position_table - prompts - shift.tokens
            budgets = np.minimum(budgets, np.maximum(room, targets))
        return cls(
            token_format=token_format,
            split=split,
            index=index,
            stage=stage,
            prompt_lengths=prompts,
            cot_lengths=cots,
            target_lengths=targets,
            budgets=budgets,
            shift=shift,
        )

    def __len__(self) -> int:
        return len(self.index)

    @property
    def lengths(self) -> Ints:
        """[n] tokens of the gold rows."""
        return self.prompt_lengths + self.target_lengths

    @property
    def answer_begins(self) -> Ints:
        """[n] where `#### {y} SEP` begins in the split's flat tokens."""
        begins: Ints = self.split.starts[self.index] + self.prompt_lengths + 1
        return begins + self.split.cot_lengths[self.index]

    def batch(self, rows: Ints) -> Batch:
        return self.token_format.batch(self.split, self.index[rows], self.stage)

    def prefixes(self, rows: Ints, kept: Ints) -> Prefixes:
        """[B] prompts, each followed by its first `kept` gold tokens."""
        gold, lengths = self.batch(rows).ids, self.prompt_lengths[rows] + kept
        width = int(lengths.max(initial=0))
        from_left = np.maximum(np.arange(width) - (width - lengths[:, None]), 0)
        ended = (kept > self.cot_lengths[rows]).astype(np.int64)
        return Prefixes(
            np.take_along_axis(gold[:, :width], from_left, axis=1),
            lengths,
            self.shift.rows(rows),
            ended + (kept == self.target_lengths[rows]),
            self.budgets[rows] - kept,
        )

    def answer_section(self, row: int) -> list[int]:
        """The gold tokens between the two separators: `#### {y}`."""
        end = self.split.starts[self.index[row] + 1] - 1
        section: list[int] = self.split.tokens[self.answer_begins[row] : end].tolist()
        return section


def _longest_target(split: EncodedSplit, stage: int, plan: RemovalPlan) -> int:
    """Over the whole split and not only a shard, so that budgets are the same in every process."""
    removed = removed_tokens(split, np.arange(len(split)), stage, plan)
    return int((split.lengths - split.prompt_lengths - removed).max(initial=0))
