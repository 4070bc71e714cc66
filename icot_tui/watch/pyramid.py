"""Least and greatest values of ever larger blocks of a growing array.

So a chart of ten million values costs what a chart of a thousand does. Blocks of the lowest level
have `BASE` values; each level above has blocks of twice as many.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BASE = 64

Values = NDArray[np.float32]
BLOCK = np.dtype([("lowest", np.float32), ("highest", np.float32), ("gap", np.bool_)])
"""Least and greatest finite value, NaN where there is none; is any value not finite?"""
Blocks = NDArray[np.void]


class GrowingArray:
    """A one-dimensional array that grows at its end and may be cut off."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._room = np.empty(0, dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> NDArray[Any]:
        """[n] what it holds, without a copy. Do not keep it: what is added later overwrites it."""
        return self._room[: self._length]

    def extend(self, values: NDArray[Any]) -> None:
        """Add values at the end."""
        end = self._length + len(values)
        if end > len(self._room):
            # Pages that are not written to take no memory, so there may be many of them.
            grown = np.empty(max(4 * len(self._room), end, 1024), self._room.dtype)
            grown[: self._length] = self.values
            self._room = grown
        self._room[self._length : end] = values
        self._length = end

    def cut(self, length: int) -> None:
        """Keep only the first so many values."""
        self._length = min(self._length, length)


class Pyramid:
    """Blocks of an array that grows at its end and may be cut off."""

    def __init__(self) -> None:
        self._levels = [GrowingArray(BLOCK)]

    def cut(self, length: int) -> None:
        """Only the first so many values stand."""
        for number, level in enumerate(self._levels):
            level.cut(length // (BASE << number))

    def blocks(self, values: Values, begin: int, end: int, size: int) -> Blocks:
        """Blocks of `size` values (a power of 2), from block `begin` to before block `end`.

        Args:
            values: the whole array; its last block may be incomplete.
            begin: number of the first block.
            end: number after the last block.
            size: values of each.
        """
        self._grow(values)
        number = size.bit_length() - BASE.bit_length()
        level = self._levels[number].values if 0 <= number < len(self._levels) else _NONE
        known = level[begin:end]
        rest = values[(begin + len(known)) * size : end * size]
        return np.concatenate([known, _summarized(rest, size)])

    def _grow(self, values: Values) -> None:
        """Take in what is new of the whole array, level by level."""
        base = self._levels[0]
        complete = len(values) // BASE
        base.extend(_summarized(values[len(base) * BASE : complete * BASE], BASE))
        for number, below in enumerate(self._levels):  # grows meanwhile
            if len(below) < 2:
                break
            if number + 1 == len(self._levels):
                self._levels.append(GrowingArray(BLOCK))
            level = self._levels[number + 1]
            new = below.values[2 * len(level) : len(below) // 2 * 2]
            level.extend(_joined(new[::2], new[1::2]))


_NONE = np.empty(0, BLOCK)


def _summarized(values: Values, size: int) -> Blocks:
    """The blocks of some values; the last one may be incomplete."""
    begins = np.arange(0, len(values), size)
    if not len(begins):
        return _NONE
    blocks = np.empty(len(begins), BLOCK)
    blocks["lowest"] = np.fmin.reduceat(values, begins)
    blocks["highest"] = np.fmax.reduceat(values, begins)
    blocks["gap"] = np.logical_or.reduceat(np.isnan(values), begins)
    return blocks


def _joined(left: Blocks, right: Blocks) -> Blocks:
    """Blocks of twice the size."""
    blocks = np.empty(len(left), BLOCK)
    blocks["lowest"] = np.fmin(left["lowest"], right["lowest"])
    blocks["highest"] = np.fmax(left["highest"], right["highest"])
    blocks["gap"] = left["gap"] | right["gap"]
    return blocks
