"""No search for packed rows, which would wait for the device in every forward pass.

Given no mask, transformers looks whether position ids jump, as those of several texts in one row
do, and needs the answer on the CPU (`masking_utils.find_packed_sequence_indices`). Our rows hold
one text each.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, wraps

import torch
from torch import Tensor

_this_thread = threading.local()


@contextmanager
def one_text_a_row() -> Iterator[None]:
    """While it is open, position ids without a mask are not searched on this thread.

    A compiler, which never looks at values, goes its own way.
    """
    _install()
    before, _this_thread.skips = _skips(), True
    try:
        yield
    finally:
        _this_thread.skips = before


def _skips() -> bool:
    return getattr(_this_thread, "skips", False)


@cache
def _install() -> None:
    from transformers import masking_utils

    search = masking_utils.find_packed_sequence_indices

    @wraps(search)
    def find(position_ids: Tensor) -> Tensor | None:
        if not torch.compiler.is_compiling() and _skips():
            return None
        found: Tensor | None = search(position_ids)
        return found

    masking_utils.find_packed_sequence_indices = find
