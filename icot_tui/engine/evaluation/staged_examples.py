"""Examples at a stage, before the model is asked: lengths, budgets, gold rows and prompts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.curriculum.removal import Batch, RemovalPlan, removed_tokens
from icot_tui.curriculum.token_format import TokenFormat
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.prefixes import PositionShift, Prefixes

SPARE_TOKENS = 8
"""Budget beyond the longest gold continuation, unless evaluation.max_new_tokens is given."""


@dataclass(frozen=True, kw_only=True)
class StagedExamples:
    """n examples of a split, with `stage` tokens removed and no smoothing.

    index           [n] their places in the split
    prompt_lengths  [n] tokens of ` {x} SEP`
    cot_lengths     [n] chain-of-thought tokens that are left; -1: nor the second separator
    target_lengths  [n] all tokens after the prompt
    budgets         [n] how many tokens the model may write
    shift           position ids
    """

    token_format: TokenFormat
    split: EncodedSplit
    index: NDArray[np.int64]
    stage: int
    prompt_lengths: NDArray[np.int64]
    cot_lengths: NDArray[np.int64]
    target_lengths: NDArray[np.int64]
    budgets: NDArray[np.int64]
    shift: PositionShift

    @classmethod
    def of(
        cls,
        token_format: TokenFormat,
        split: EncodedSplit,
        index: NDArray[np.int64],
        stage: int,
        max_new_tokens: int | None,
        position_table: int | None,
    ) -> "StagedExamples":
        """Examples of a split.

        Args:
            token_format: separator and removal plan.
            split: all examples.
            index: [n] which of them.
            stage: tokens removed.
            max_new_tokens: budget of every row; None: the split's longest target, and SPARE_TOKENS.
            position_table: how many position ids the model has; budgets end there, but the gold
                tokens always fit.
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
    def lengths(self) -> NDArray[np.int64]:
        """[n] tokens of the gold rows."""
        return self.prompt_lengths + self.target_lengths

    @property
    def answer_begins(self) -> NDArray[np.int64]:
        """[n] where `#### {y} SEP` begins in the split's flat tokens."""
        begins: NDArray[np.int64] = self.split.starts[self.index] + self.prompt_lengths + 1
        return begins + self.split.cot_lengths[self.index]

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """Gold rows."""
        return self.token_format.batch(self.split, self.index[rows], self.stage)

    def prefixes(self, rows: NDArray[np.int64], kept: NDArray[np.int64]) -> Prefixes:
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
