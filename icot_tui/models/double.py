"""A model in double precision for a while, to tell rounding from what a model really does."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import nn


def fits_in_double(module: nn.Module) -> bool:
    """Is there room for it, and can its device compute so?"""
    more = sum(one.numel() * max(0, 8 - one.element_size()) for one in module.parameters())
    device = next(module.parameters()).device
    if device.type == "cuda":
        return more < torch.cuda.mem_get_info(device)[0]
    return device.type == "cpu" and more < psutil.virtual_memory().available


@contextmanager
def in_double(module: nn.Module) -> Iterator[None]:
    """All weights and buffers in float64, and after that just as they were."""
    types = [(weight, weight.dtype) for weight in module.parameters()]
    buffers = [
        (owner, name, buffer)
        for owner in module.modules()
        for name, buffer in owner.named_buffers(recurse=False)
    ]
    try:
        module.double()
        yield
    finally:
        for weight, dtype in types:
            weight.data = weight.data.to(dtype)
        for owner, name, buffer in buffers:
            setattr(owner, name, buffer)
