"""Where the teacher's thoughts are taken: one place for each block of the student."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Subset = Literal["diagonal", "first_column", "last_column", "top_row", "bottom_row"]


@dataclass(frozen=True)
class StatePositions:
    """Which of the teacher's hidden states are the thoughts (method, section 5).

    subset  diagonal: block l at `sep1 + l * delta`; first_column, last_column: every block at the
            first or second separator; top_row, bottom_row: the diagonal's positions, but all of
            them at the input of the last or of the first block
    delta   positions a block; None: so that the last block is at the second separator, for each
            example by itself
    """

    subset: Subset = "diagonal"
    delta: float | None = None

    def positions(
        self, first_separator: NDArray[np.int64], second_separator: NDArray[np.int64], blocks: int
    ) -> NDArray[np.int64]:
        """[B, L] positions of rows whose separators stand at [B] and [B]."""
        block = np.arange(blocks)
        first, second = first_separator[:, None], second_separator[:, None]
        if self.subset == "first_column":
            return np.broadcast_to(first, (len(first), blocks)).copy()
        if self.subset == "last_column":
            return np.broadcast_to(second, (len(second), blocks)).copy()
        # One block has nowhere to go. Single precision, as published: it decides where .5 goes.
        steps = np.float32(max(blocks - 1, 1))
        delta = (second - first).astype(np.float32) / steps if self.delta is None else self.delta
        along = np.rint((first + block * delta).astype(np.float32)).astype(np.int64)
        return np.minimum(along, second)

    def blocks(self, blocks: int) -> list[int]:
        """[L] the teacher's block whose input is the thought of each block."""
        if self.subset == "top_row":
            return [blocks - 1] * blocks
        if self.subset == "bottom_row":
            return [0] * blocks
        return list(range(blocks))
