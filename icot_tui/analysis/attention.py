"""Which positions the chosen one reads, by head and layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.activations import batches
from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def attention(lm: "PreTrainedModel", ids: Tensor, positions: Tensor | None = None) -> Tensor:
    """[layers, B, heads, L, L] shares, from the reading to the read position; float32, on the CPU.

    Args:
        lm: any causal language model.
        ids: [B, L], padded on the right.
        positions: [B, L] position ids.

    Raises:
        UserError: this model does not tell its attention.
    """
    mask = None if positions is None else torch.ones_like(ids)
    with _eager(lm):
        out = lm(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=False,
            output_attentions=True,
        )
    if not out.attentions or out.attentions[0] is None:
        raise UserError(f"a {type(lm).__name__} does not tell its attention")
    return torch.stack([layer.float().cpu() for layer in out.attentions])


def mean_attention(
    lm: "PreTrainedModel", aligned: AlignedExamples, rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """[layers, heads, C, C] shares between the aligned columns, averaged over examples."""
    device = next(lm.parameters()).device
    total, count = None, 0
    for part in batches(aligned, rows):
        ids, positions = aligned.rows(part)
        found = attention(lm, ids.to(device), None if positions is None else positions.to(device))
        where = torch.from_numpy(aligned.columns[part])  # [n, C]
        row = torch.arange(len(part))[:, None, None]
        # Advanced indices around a slice come first: [n, C, C, layers, heads].
        chosen = found.permute(1, 3, 4, 0, 2)[row, where[:, :, None], where[:, None]]
        summed = chosen.sum(0).permute(2, 3, 0, 1).double()
        total = summed if total is None else total + summed
        count += len(part)
    assert total is not None
    mean: NDArray[np.float64] = (total / count).numpy()
    return mean


@contextmanager
def _eager(lm: "PreTrainedModel") -> Iterator[None]:
    """Only the plain implementation has the attention matrix; the fast one comes back after."""
    bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    before = bare.config._attn_implementation
    bare.set_attn_implementation("eager")
    try:
        yield
    finally:
        bare.set_attn_implementation(before)
