"""Least, greatest, sum and count of ever larger blocks of a growing array.

So a chart of ten million values costs what a chart of a thousand does. Blocks of the lowest level
have `BASE` values; each level above has blocks of twice as many.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BASE = 64

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Some blocks in a row.

    lowest, highest  [b] of the finite values; NaN where there are none
    sums             [b] of the finite values
    counts           [b] finite values
    sizes            [b] values, finite or not
    """

    lowest: Values
    highest: Values
    sums: NDArray[np.float64]
    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]


class _Level:
    """Complete blocks of one size, grown by doubling."""

    def __init__(self) -> None:
        self.count = 0
        self.lowest = np.empty(0, np.float32)
        self.highest = np.empty(0, np.float32)
        self.sums = np.empty(0, np.float64)
        self.finite = np.empty(0, np.int64)

    def append(self, blocks: Blocks) -> None:
        end = self.count + len(blocks.sums)
        if end > len(self.sums):
            for name in ("lowest", "highest", "sums", "finite"):
                old = getattr(self, name)
                new = np.empty(max(2 * len(old), end, 16), old.dtype)
                new[: self.count] = old[: self.count]
                setattr(self, name, new)
        into = slice(self.count, end)
        self.lowest[into], self.highest[into] = blocks.lowest, blocks.highest
        self.sums[into], self.finite[into] = blocks.sums, blocks.counts
        self.count = end

    def blocks(self, begin: int, end: int, size: int) -> Blocks:
        part = slice(begin, end)
        sizes = np.full(end - begin, size, np.int64)
        return Blocks(
            self.lowest[part], self.highest[part], self.sums[part], self.finite[part], sizes
        )


class Pyramid:
    """Blocks of an array that grows at its end and may be cut off."""

    def __init__(self) -> None:
        self._levels: list[_Level] = [_Level()]

    def grow(self, values: Values) -> None:
        """Take in what is new of the whole array."""
        base = self._levels[0]
        complete = len(values) // BASE
        if complete > base.count:
            new = values[base.count * BASE : complete * BASE]
            base.append(summed(new, BASE))
            self._stack()

    def cut(self, length: int) -> None:
        """Only the first so many values stand."""
        for number, level in enumerate(self._levels):
            level.count = min(level.count, length // (BASE << number))

    def blocks(self, values: Values, begin: int, end: int, size: int) -> Blocks:
        """Blocks of `size` values (a power of 2), from block `begin` to before block `end`.

        Args:
            values: the whole array; its last block may be incomplete.
            begin: number of the first block.
            end: number after the last block.
            size: values of each.
        """
        self.grow(values)
        number = size.bit_length() - BASE.bit_length()
        level = self._levels[number] if 0 <= number < len(self._levels) else None
        whole = begin if level is None else max(begin, min(end, level.count))
        rest = summed(values[whole * size : min(end * size, len(values))], size)
        if level is None or whole == begin:
            return rest
        return _joined(level.blocks(begin, whole, size), rest)

    def _stack(self) -> None:
        """Make each level from the one below it."""
        number = 0
        while self._levels[number].count >= 2:
            below = self._levels[number]
            number += 1
            if number == len(self._levels):
                self._levels.append(_Level())
            level = self._levels[number]
            new = slice(2 * level.count, below.count // 2 * 2)
            level.append(
                Blocks(
                    np.fmin(below.lowest[new][::2], below.lowest[new][1::2]),
                    np.fmax(below.highest[new][::2], below.highest[new][1::2]),
                    below.sums[new][::2] + below.sums[new][1::2],
                    below.finite[new][::2] + below.finite[new][1::2],
                    np.zeros(0, np.int64),
                )
            )


def summed(values: Values, size: int) -> Blocks:
    """The blocks of some values; the last one may be incomplete."""
    whole = len(values) // size
    table = values[: whole * size].reshape(whole, size)
    blocks = _blocks(table, size)
    rest = values[whole * size :]
    return blocks if not len(rest) else _joined(blocks, _blocks(rest[None, :], len(rest)))


def _blocks(table: Values, size: int) -> Blocks:
    finite = np.isfinite(table)
    sizes = np.full(len(table), size, np.int64)
    if finite.all():
        lowest, highest = table.min(axis=1), table.max(axis=1)
        return Blocks(lowest, highest, table.sum(axis=1, dtype=np.float64), sizes, sizes)
    return Blocks(
        np.fmin.reduce(table, axis=1),
        np.fmax.reduce(table, axis=1),
        np.where(finite, table, 0).sum(axis=1, dtype=np.float64),
        finite.sum(axis=1),
        sizes,
    )


def _joined(one: Blocks, other: Blocks) -> Blocks:
    return Blocks(
        np.concatenate([one.lowest, other.lowest]),
        np.concatenate([one.highest, other.highest]),
        np.concatenate([one.sums, other.sums]),
        np.concatenate([one.counts, other.counts]),
        np.concatenate([one.sizes, other.sizes]),
    )
