"""Values of a run's steps, ready to be drawn at any length.

Beside the values stand the least and greatest of ever larger blocks of them, so a chart of ten
million values costs what a chart of a thousand does.
"""

from bisect import bisect_right
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BASE = 64
MOST_BINS = 4096
"""More columns than any terminal has."""
LONGEST_GAP = 1_000_000
"""Steps without a value are filled with NaN only up to here; a damaged journal may skip more."""

Values = NDArray[np.float32]
Steps = NDArray[np.int64]
Points = tuple[NDArray[np.int64], NDArray[np.float32]]
"""x: steps, y: values; NaN where the line is broken."""
BLOCK = np.dtype([("lowest", np.float32), ("highest", np.float32), ("gap", np.bool_)])
"""Least and greatest finite value, NaN where there is none; is any value not finite?"""
Blocks = NDArray[np.void]
NO_BLOCKS = np.empty(0, BLOCK)


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
        end = self._length + len(values)
        if end > len(self._room):
            # Pages that are not written to take no memory, so there may be many of them.
            grown = np.empty(max(4 * len(self._room), end, 1024), self._room.dtype)
            grown[: self._length] = self.values
            self._room = grown
        self._room[self._length : end] = values
        self._length = end

    def cut(self, length: int) -> None:
        self._length = min(self._length, length)


class Pyramid:
    """Blocks of an array that grows at its end and may be cut off.

    Those of the lowest level have `BASE` values; each level above has blocks of twice as many.
    """

    def __init__(self) -> None:
        self._levels = [GrowingArray(BLOCK)]

    def cut(self, length: int) -> None:
        for number, level in enumerate(self._levels):
            level.cut(length // (BASE << number))

    def blocks(self, values: Values, begin: int, end: int, size: int) -> Blocks:
        """Blocks `begin` to before `end` of the whole array, each of `size` values (a power of 2).

        The last one may be incomplete.
        """
        self._grow(values)
        number = size.bit_length() - BASE.bit_length()
        level = self._levels[number].values if 0 <= number < len(self._levels) else NO_BLOCKS
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


def _summarized(values: Values, size: int) -> Blocks:
    """The blocks of some values; the last one may be incomplete."""
    begins = np.arange(0, len(values), size)
    if not len(begins):
        return NO_BLOCKS
    blocks = np.empty(len(begins), BLOCK)
    blocks["lowest"] = np.fmin.reduceat(values, begins)
    blocks["highest"] = np.fmax.reduceat(values, begins)
    blocks["gap"] = np.logical_or.reduceat(np.isnan(values), begins)
    return blocks


def _joined(left: Blocks, right: Blocks) -> Blocks:
    blocks = np.empty(len(left), BLOCK)
    blocks["lowest"] = np.fmin(left["lowest"], right["lowest"])
    blocks["highest"] = np.fmax(left["highest"], right["highest"])
    blocks["gap"] = left["gap"] | right["gap"]
    return blocks


class StepSeries:
    """A value for each step from the first on, NaN where there is none or it is not finite.

    Steps follow each other but for what a damaged journal lacks, so only places where they do not
    are kept: the series takes four bytes a step.
    """

    def __init__(self) -> None:
        self._values = GrowingArray(np.float32)
        self._begins: list[int] = []  # indices from which on steps are consecutive
        self._firsts: list[int] = []  # steps at these indices
        self._pyramid = Pyramid()

    def __len__(self) -> int:
        return len(self._values)

    @property
    def first_step(self) -> int | None:
        return self._firsts[0] if len(self) else None

    @property
    def last_step(self) -> int | None:
        if not len(self):
            return None
        return self._firsts[-1] + len(self) - 1 - self._begins[-1]

    def values(self) -> Values:
        """[n] the values, without a copy. Do not keep it: a resume overwrites it."""
        return self._values.values

    def steps(self) -> Steps:
        """[n] the steps of the values; made anew at each call."""
        return self.steps_of(np.arange(len(self)))

    def steps_of(self, indices: Steps) -> Steps:
        if len(self._begins) <= 1:
            consecutive: Steps = indices + (self._firsts[0] if self._firsts else 0)
            return consecutive
        run = np.searchsorted(np.array(self._begins), indices, side="right") - 1
        steps: Steps = indices - np.array(self._begins)[run] + np.array(self._firsts)[run]
        return steps

    def index(self, step: int) -> int:
        """How many values there are of steps before this one."""
        run = bisect_right(self._firsts, step) - 1
        if run < 0:
            return 0
        end = self._begins[run + 1] if run + 1 < len(self._begins) else len(self)
        return min(end, self._begins[run] + step - self._firsts[run])

    def extend(self, first: int, values: NDArray[np.floating]) -> None:
        """The values of the steps from `first` on, which replace what there was of these."""
        last = self.last_step
        if last is not None and first <= last:
            self.cut(self.index(first))
            last = self.last_step
        if last is None:
            self._begins, self._firsts = [0], [first]
        elif 0 < (missing := first - 1 - last) <= LONGEST_GAP:
            self._values.extend(np.full(missing, np.nan))
        elif missing:
            self._begins.append(len(self))
            self._firsts.append(first)
        self._values.extend(values)

    def cut(self, length: int) -> None:
        self._values.cut(length)
        while self._begins and self._begins[-1] >= len(self):
            self._begins.pop()
            self._firsts.pop()
        self._pyramid.cut(length)

    def window(self, low: int, high: int, columns: int) -> Points:
        """The course from step `low` to step `high`, in at most two points a column.

        Each column has its least and its greatest value, and NaN beside them where values are
        missing or not finite (then there are fewer, wider columns). Columns stand still while
        the run goes on, and the cost does not depend on its length.
        """
        begin, end = self.index(low), self.index(high + 1)
        columns = max(2, min(columns, MOST_BINS))
        if end - begin <= 2 * columns:
            return self.steps_of(np.arange(begin, end)), self.values()[begin:end].copy()
        points, gaps = self._points(begin, end, columns)
        return self._points(begin, end, max(1, 2 * columns // 3))[0] if gaps else points

    def _points(self, begin: int, end: int, columns: int) -> tuple[Points, bool]:
        """Two points a column, and one more where the line is broken; is it anywhere?"""
        size = 1  # the least power of 2 whose blocks cover the range
        while -(-end // size) - begin // size > columns:
            size *= 2
        first, last = begin // size, -(-end // size)
        blocks = self._pyramid.blocks(self.values(), first, last, size)
        begins = np.arange(first, last) * size
        lasts = np.minimum(begins + size, len(self)) - 1
        # A block that ends higher than it begins most likely had its least value first.
        rising = self.values()[lasts] >= self.values()[begins]
        one = np.where(rising, blocks["lowest"], blocks["highest"])
        other = np.where(rising, blocks["highest"], blocks["lowest"])
        table = np.stack([one, other, np.full(len(one), np.nan, np.float32)], axis=1)
        sizes = lasts - begins + 1
        places = np.stack([begins + sizes // 4, begins + 3 * sizes // 4, lasts], axis=1)
        kept = np.ones(table.shape, dtype=np.bool_)
        kept[:, 2] = blocks["gap"]
        return (self.steps_of(places[kept]), table[kept]), bool(blocks["gap"].any())


def single(values: NDArray[np.float64]) -> Values:
    """As 32-bit numbers; what is not finite, or too large for them, is NaN."""
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    small[~np.isfinite(small)] = np.nan
    return small
