"""Activations at aligned columns, from as few forward passes as memory allows."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.analysis.residual_stream import ResidualStream
from icot_tui.analysis.sites import Site

BATCH_TOKENS = 8192
"""Tokens a forward pass."""
GROUP_BYTES = 512 << 20
"""Activations held at once; a larger need is met by more passes, a few sites each."""


def batches(
    aligned: AlignedExamples, rows: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Rows (None: all), as many at once as make a good forward pass."""
    rows = np.arange(len(aligned)) if rows is None else rows
    size = max(1, BATCH_TOKENS // aligned.batch.ids.shape[1])
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def site_groups(stream: ResidualStream, aligned: AlignedExamples) -> Iterator[list[Site]]:
    """The model's sites in groups whose activations fit GROUP_BYTES."""
    bytes_a_site = len(aligned) * len(aligned.names) * stream.width * 4
    size = max(1, GROUP_BYTES // bytes_a_site)
    for begin in range(0, len(stream.sites), size):
        yield stream.sites[begin : begin + size]


@torch.no_grad()
def collect(stream: ResidualStream, aligned: AlignedExamples, sites: Sequence[Site]) -> Tensor:
    """[S, C, N, H] float32 activations on the CPU; the model must be in evaluation mode."""
    columns = torch.from_numpy(aligned.columns)
    found = torch.empty(len(sites), columns.shape[1], len(aligned), stream.width)
    with stream.recording(sites) as recorded:
        for rows in batches(aligned):
            stream.forward(*aligned.inputs(rows))
            index = columns[rows].to(stream.device)[..., None].expand(-1, -1, stream.width)
            for number, site in enumerate(sites):
                at_columns = recorded[site].gather(1, index).float().cpu()  # [n, C, H]
                found[number, :, rows] = at_columns.transpose(0, 1)
    return found
