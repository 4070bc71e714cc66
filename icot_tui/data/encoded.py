"""A split as token ids: one flat array and the borders of each example's spans."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EncodedSplit:
    """N examples in the layout ` {x} SEP {z} SEP #### {y} SEP` (docs/method.md).

    tokens          [T] uint16 or uint32, usually memory-mapped: all examples, one after another
    starts          [N + 1] int64: where each example begins in `tokens`; the last entry is T
    prompt_lengths  [N] int32: tokens of ` {x} SEP`, the first separator included
    cot_lengths     [N] int32: m, the removable tokens between the two separators
    """

    tokens: NDArray[np.uint16] | NDArray[np.uint32]
    starts: NDArray[np.int64]
    prompt_lengths: NDArray[np.int32]
    cot_lengths: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.cot_lengths)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[N] tokens of each whole example."""
        return np.diff(self.starts)

    @property
    def max_cot_tokens(self) -> int:
        """The longest chain of thought: at this stage every example is implicit."""
        return int(self.cot_lengths.max(initial=0))

    @property
    def max_length(self) -> int:
        """Tokens of the longest whole example."""
        return int(self.lengths.max(initial=0))

    def example(self, index: int) -> NDArray[np.int64]:
        """Token ids of one whole example."""
        return np.asarray(self.tokens[self.starts[index] : self.starts[index + 1]], dtype=np.int64)

    def only(self, keep: NDArray[np.bool_]) -> "EncodedSplit":
        """The examples for which `keep` [N] is true, copied into memory."""
        lengths = self.lengths
        starts = np.zeros(int(keep.sum()) + 1, dtype=np.int64)
        np.cumsum(lengths[keep], out=starts[1:])
        return EncodedSplit(
            self.tokens[np.repeat(keep, lengths)],
            starts,
            self.prompt_lengths[keep],
            self.cot_lengths[keep],
        )
