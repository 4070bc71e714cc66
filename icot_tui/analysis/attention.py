"""How much each position attends to each other one, by layer and head."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.activations import batches
from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.analysis.residual_stream import forward
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def attention(lm: "PreTrainedModel", ids: Tensor, positions: Tensor | None = None) -> Tensor:
    """[layers, B, heads, query L, key L] float32 weights on the CPU.

    Args:
        lm: any causal language model.
        ids: [B, L], padded on the right.
        positions: [B, L] position ids.

    Raises:
        UserError: the model does not return its attention weights.
    """
    with _eager(lm):
        weights = forward(lm, ids, positions, output_attentions=True).attentions
    if not weights or weights[0] is None:
        raise UserError(f"a {type(lm).__name__} does not return its attention weights")
    return torch.stack([layer.float().cpu() for layer in weights])


def mean_attention(
    lm: "PreTrainedModel", aligned: AlignedExamples, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[layers, heads, query C, key C] weights between aligned columns, averaged over examples."""
    total: Tensor | float = 0.0
    for part in batches(aligned, rows):
        found = attention(lm, *aligned.inputs(part))
        columns = torch.from_numpy(aligned.columns[part])  # [n, C]
        row = torch.arange(len(part))[:, None, None]
        # Advanced indices around a slice come first: [n, C, C, layers, heads].
        chosen = found.permute(1, 3, 4, 0, 2)[row, columns[:, :, None], columns[:, None]]
        total = total + chosen.sum(0).permute(2, 3, 0, 1).double()
    assert isinstance(total, Tensor)
    mean: NDArray[np.float64] = (total / len(rows)).numpy()
    return mean


@contextmanager
def _eager(lm: "PreTrainedModel") -> Iterator[None]:
    """Only the eager implementation returns weights; the faster one is put back afterwards."""
    bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    before = bare.config._attn_implementation
    bare.set_attn_implementation("eager")
    try:
        yield
    finally:
        bare.set_attn_implementation(before)
