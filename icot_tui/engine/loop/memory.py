"""The process's memory: neither Python nor the C library tidies it up during training."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # what glibc's `mallopt` calls them
_NEVER = 2**31 - 1
_LARGEST = 32 << 20  # bytes; larger blocks go back to the system in any case


@contextmanager
def settled_heap() -> Iterator[None]:
    """What is there now stays, and what a step frees is there for the next one.

    A full collection of Python's garbage goes through the objects of all libraries: a quarter of a
    second in which no step is taken and no key answered. And a step on the CPU would give its
    tensors' pages back to the system, and ask for as many again, thousands of times a second
    (benchmarks/heap.py); the C library keeps what is freed from then on.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _NEVER)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def nothing_collected() -> Iterator[None]:
    """For importing libraries: what they make stays, and collecting garbage would take a second."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()
