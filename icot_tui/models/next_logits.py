"""Logits of the tokens that come next in rows which are being written.

b rows, C new columns, V words. The first columns are padded on the left where rows differ in
length, so that every row writes in the same column.
"""

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import STATE, accepted, cache_name, cache_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class NextLogits(Protocol):
    """A model and the rows that it has read."""

    def logits(self, ids: Tensor, visible: Tensor | None, positions: Tensor) -> Tensor:
        """[b, V] logits after `ids` [b, C], which follow what was read and don't end with padding.

        `visible` is [b, columns so far], or None without padding; `positions` is [b, C].
        """

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the rows only."""


class CachedRows:
    """Reads each token once: for models whose cache was seen to work (`behaviour`)."""

    def __init__(self, lm: "PreTrainedModel") -> None:
        arguments = accepted(lm)
        self._lm = lm
        self._takes_positions = "position_ids" in arguments
        self._options: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in arguments:
            self._options["logits_to_keep"] = 1
        self._name = cache_name(lm)
        self._cache: Any = None

    def logits(self, ids: Tensor, visible: Tensor | None, positions: Tensor) -> Tensor:
        """See `NextLogits`."""
        options = self._options | {self._name: self._cache}
        if self._takes_positions:
            options["position_ids"] = positions
        if self._cache is not None and not self._has_columns():
            visible = None  # Mamba would take the first column's for the new
        out = self._lm(input_ids=ids, attention_mask=visible, **options)
        self._cache = cache_of(out)
        logits: Tensor = out.logits[:, -1]
        return logits

    def _has_columns(self) -> bool:
        """Does the cache hold what was read column by column? A state doesn't."""
        layers = getattr(self._cache, "layers", None)
        if layers is None:
            return self._name != STATE
        return any(hasattr(layer, "get_seq_length") for layer in layers)

    def keep(self, rows: Tensor) -> None:
        """See `NextLogits`."""
        parts = getattr(self._cache, "layers", ())
        if all(hasattr(part, "batch_select_indices") for part in parts):
            self._cache.batch_select_indices(rows)
        else:  # linear attention lacks it
            self._cache.reorder_cache(rows)


class WholeRows:
    """Reads all tokens again at each step, with the padding on the right, where nobody sees it."""

    def __init__(self, lm: "PreTrainedModel") -> None:
        self._lm = SupervisedLM(lm)
        self._ids: Tensor | None = None  # [b, columns so far]
        self._positions: Tensor | None = None  # [b, columns so far]
        self._padding: Tensor | None = None  # [b] columns on the left

    def logits(self, ids: Tensor, visible: Tensor | None, positions: Tensor) -> Tensor:
        """See `NextLogits`."""
        if self._ids is None or self._positions is None or self._padding is None:
            self._ids, self._positions = ids, positions
            self._padding = ids.new_zeros(len(ids))
            if visible is not None:
                self._padding = ids.shape[1] - visible.sum(1)
        else:
            self._ids = torch.cat([self._ids, ids], dim=1)
            self._positions = torch.cat([self._positions, positions], dim=1)
        batch, columns = self._ids.shape
        index = torch.arange(columns, device=ids.device) + self._padding[:, None]
        index = index.clamp(max=columns - 1)  # a row is filled up with its last token
        begins = torch.arange(batch, device=ids.device) * columns
        last = begins + columns - 1 - self._padding
        places = self._positions.gather(1, index)
        return self._lm.logits(self._ids.gather(1, index), places, last)

    def keep(self, rows: Tensor) -> None:
        """See `NextLogits`."""
        assert self._ids is not None
        assert self._positions is not None
        assert self._padding is not None
        self._ids, self._positions = self._ids[rows], self._positions[rows]
        self._padding = self._padding[rows]
