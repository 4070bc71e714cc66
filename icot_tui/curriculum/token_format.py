"""What always travels together wherever examples become token ids, or token ids texts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.curriculum.removal import Batch, RemovalPlan, remove
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.tokenizing import separator_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TokenFormat:
    """How a model reads and writes examples.

    tokenizer     reads texts out of token ids
    separator_id  SEP, the tokenizer's end-of-text token
    plan          which chain-of-thought tokens a stage removes, and the layout
    """

    tokenizer: "PreTrainedTokenizerBase"
    separator_id: int
    plan: RemovalPlan

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerBase", plan: RemovalPlan) -> "TokenFormat":
        """The format of a tokenizer that has an end-of-text token."""
        return cls(tokenizer, separator_id(tokenizer), plan)

    def batch(
        self, split: EncodedSplit, rows: NDArray[np.int64], scheduled: NDArray[np.int64] | int
    ) -> Batch:
        """Rows of a split after removal, padded with the separator; see `remove`."""
        return remove(split, rows, scheduled, self.plan, self.separator_id)
