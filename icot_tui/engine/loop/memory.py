"""The process's memory while it trains: neither Python nor the C library tidies it up meanwhile."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""What glibc's `mallopt` calls them."""
_NEVER = 2**31 - 1
_LARGEST = 32 << 20
"""Bytes; larger blocks go back to the system in any case."""


@contextmanager
def settled_heap() -> Iterator[None]:
    """What is there now stays, and what a step frees is there for the next one.

    A full collection of Python's garbage goes through the objects of all libraries: a quarter of a
    second in which no step is taken and no key answered. And a step on the CPU would give its
    tensors' pages back to the system, and ask for as many again, thousands of times a second
    (benchmarks/heap.py); the C library keeps to that afterwards too.
    """
    _keep_what_is_freed()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def nothing_collected() -> Iterator[None]:
    """While libraries are imported: what they make stays, and looking through it takes a second."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


def _keep_what_is_freed() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _NEVER)
