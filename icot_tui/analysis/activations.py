"""Activations at the columns of aligned examples, from as few forward passes as memory allows."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.analysis.residual_stream import ResidualStream, Site
from icot_tui.cancellation import Check, never_cancelled

BATCH_TOKENS = 8192
"""Tokens a forward pass."""
GROUP_BYTES = 512 << 20
"""Activations held at once; a larger need is met by more passes, a few sites each."""


def batches(
    aligned: AlignedExamples, rows: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Rows of aligned examples, as many at once as make a good forward pass."""
    rows = np.arange(len(aligned)) if rows is None else rows
    size = max(1, BATCH_TOKENS // aligned.batch.ids.shape[1])
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def site_groups(
    aligned: AlignedExamples, sites: Sequence[Site], width: int
) -> Iterator[list[Site]]:
    """The sites in groups whose activations fit GROUP_BYTES."""
    one = len(aligned) * len(aligned.names) * width * 4
    size = max(1, GROUP_BYTES // one)
    for begin in range(0, len(sites), size):
        yield list(sites[begin : begin + size])


@torch.no_grad()
def collect(
    stream: ResidualStream,
    aligned: AlignedExamples,
    sites: Sequence[Site],
    check: Check = never_cancelled,
) -> Tensor:
    """[S, C, N, H] float32 activations on the CPU.

    Args:
        stream: of a model in evaluation mode.
        aligned: the examples.
        sites: which places.
        check: called between batches.
    """
    device = next(stream.lm.parameters()).device
    columns = torch.from_numpy(aligned.columns)
    found: Tensor | None = None
    with stream.recording(sites) as recorded:
        for rows in batches(aligned):
            check()
            ids, positions = aligned.rows(rows)
            stream.forward(ids.to(device), None if positions is None else positions.to(device))
            where = columns[rows].to(device)
            for number, site in enumerate(sites):
                wide = where[..., None].expand(-1, -1, recorded[site].shape[-1])
                taken = recorded[site].gather(1, wide).float().cpu()  # [n, C, H]
                if found is None:
                    shape = (len(sites), taken.shape[1], len(aligned), taken.shape[2])
                    found = torch.empty(shape)
                found[number, :, rows] = taken.transpose(0, 1)
    assert found is not None
    return found
