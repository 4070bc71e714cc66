"""Rows that a model continues: token ids, and the position ids that go on with them.

B rows, L padded columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.curriculum.removal import RemovalPlan


@dataclass(frozen=True)
class PositionShift:
    """Position ids after removal: from token `start` of its row on, `tokens` more than the index.

    It depends only on how many tokens stand before, so that it also holds for tokens that are not
    written yet, and gives exactly the ids of `curriculum.removal.remove`. With side "right" the gap
    follows what is left of the chain of thought, and its place is taken from the gold chain: a
    model that writes a longer or shorter one meets the gap where training would have had it.

    start   [B] the first token that is shifted: the one just before the gap
    tokens  [B] by how much; 0 without kept positions
    """

    start: NDArray[np.int64]
    tokens: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        plan: RemovalPlan,
        prompt_lengths: NDArray[np.int64],
        cot_lengths: NDArray[np.int64],
        removed: NDArray[np.int64],
    ) -> "PositionShift":
        """For [B] rows with prompts ` {x} SEP`, `cot_lengths` tokens left and `removed` gone."""
        before_gap = prompt_lengths if plan.side == "left" else prompt_lengths + cot_lengths
        return cls(before_gap - 1, removed if plan.keep_positions else np.zeros_like(removed))

    def positions(self, columns: int) -> NDArray[np.int64]:
        """[B, columns] position ids of rows that begin in column 0."""
        index = np.arange(columns)
        shifted: NDArray[np.int64] = index + (index >= self.start[:, None]) * self.tokens[:, None]
        return shifted

    def rows(self, where: NDArray[np.int64]) -> "PositionShift":
        """Some of the rows."""
        return PositionShift(self.start[where], self.tokens[where])


@dataclass(frozen=True)
class Prefixes:
    """Rows to be continued.

    ids         [B, L] int64, padded on the left
    lengths     [B] tokens of each row without padding
    shift       position ids
    separators  [B] separators already written after the prompt
    budgets     [B] how many more tokens may be written
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    shift: PositionShift
    separators: NDArray[np.int64]
    budgets: NDArray[np.int64]

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Sequence[int]],
        shift: PositionShift,
        separators: NDArray[np.int64],
        budgets: NDArray[np.int64],
    ) -> "Prefixes":
        """Prefixes given as lists of token ids."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        ids = np.zeros((len(rows), int(lengths.max(initial=0))), dtype=np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[len(line) - len(row) :] = row
        return cls(ids, lengths, shift, separators, budgets)

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, where: NDArray[np.int64]) -> "Prefixes":
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
