"""Values of a run's steps, ready to be drawn at any length."""

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from icot_tui.watch.pyramid import BASE, Blocks, Pyramid, Values

Steps = NDArray[np.int64]
Points = tuple[NDArray[np.int64], NDArray[np.float32]]
"""x: steps, y: values; NaN where the line is broken."""

MOST_BINS = 4096
"""More columns than any terminal has."""
LONGEST_GAP = 1_000_000
"""Steps without a value are filled with NaN only up to here; a damaged journal may skip more."""


class StepSeries:
    """A value for each step from the first on, NaN where there is none or it is not finite.

    Steps follow each other but for what a damaged journal lacks, so only places where they do not
    are kept: the series takes four bytes a step.
    """

    def __init__(self) -> None:
        self._values = np.empty(0, np.float32)
        self._length = 0
        self._begins: list[int] = []  # indices from which on steps are consecutive
        self._firsts: list[int] = []  # steps at these indices
        self._pyramid = Pyramid()

    def __len__(self) -> int:
        return self._length

    @property
    def first_step(self) -> int | None:
        """The first step; None before it."""
        return self._firsts[0] if self._length else None

    @property
    def last_step(self) -> int | None:
        """The last step; None before the first."""
        return self._step(self._length - 1) if self._length else None

    def values(self) -> Values:
        """[n] the values, without a copy. Do not keep it: a resume writes over it."""
        return self._values[: self._length]

    def steps(self) -> Steps:
        """[n] the steps of the values; made anew at each call."""
        return self.steps_of(np.arange(self._length))

    def steps_of(self, indices: Steps) -> Steps:
        """The steps at some indices."""
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
        end = self._begins[run + 1] if run + 1 < len(self._begins) else self._length
        return min(end, self._begins[run] + step - self._firsts[run])

    def at(self, step: int) -> float:
        """The value of a step, NaN where there is none."""
        at = self.index(step)
        known = at < self._length and self._step(at) == step
        return float(self._values[at]) if known else float("nan")

    def extend(self, first: int, values: NDArray[np.floating]) -> None:
        """The values of the steps from `first` on, which replace what there was of these."""
        if self._length and first <= self._step(self._length - 1):
            self.cut(self.index(first))
        if self._length:
            missing = first - 1 - self._step(self._length - 1)
            if 0 < missing <= LONGEST_GAP:
                self._append(np.full(missing, np.nan, np.float32))
            elif missing != 0:
                self._begins.append(self._length)
                self._firsts.append(first)
        else:
            self._begins, self._firsts = [0], [first]
        self._append(values)

    def cut(self, length: int) -> None:
        """Only the first so many values stand."""
        self._length = min(self._length, length)
        while self._begins and self._begins[-1] >= self._length:
            self._begins.pop()
            self._firsts.pop()
        self._pyramid.cut(self._length)

    # Drawing ---------------------------------------------------------------------------------

    def window(self, low: int, high: int, columns: int) -> Points:
        """The course from step `low` to step `high`, in at most two points a column.

        Each column has its least and its greatest value, and NaN beside them where values are
        missing or not finite (then there are fewer, wider columns). Columns stand still while
        the run goes on, and the cost does not depend on its length.
        """
        begin, end = self.index(low), self.index(high + 1)
        columns = max(2, min(columns, MOST_BINS))
        if end - begin <= 2 * columns:
            indices = np.arange(begin, end)
            return self.steps_of(indices), self._values[begin:end].copy()
        size, blocks, first = self._bins(begin, end, columns)
        if (blocks.counts < blocks.sizes).any():
            size, blocks, first = self._bins(begin, end, max(1, 2 * columns // 3))
        return self._points(size, blocks, first)

    def smoothed(self, low: int, high: int, columns: int, width: int) -> Points:
        """The mean of the finite values of the last `width` steps, in a point a column.

        Means are made of each column's sum and count, so that `width` is rounded to whole columns
        and is at least one; NaN where no value is finite. The cost does not depend on the length.
        """
        begin, end = self.index(low), self.index(high + 1)
        if begin >= end:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        columns = max(2, min(columns, MOST_BINS))
        size = _bin_size(begin, end, columns)
        back = min(max(1, round(width / size)), columns)
        first = max(0, begin // size - back + 1)
        last = -(-end // size)
        blocks = self._pyramid.blocks(self.values(), first, last, size)
        sums = _sums_of_last(blocks.sums, back)
        counts = _sums_of_last(blocks.counts.astype(np.float64), back)
        shown = slice(begin // size - first, None)
        means = np.full(len(sums), np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        ends = np.minimum(np.arange(begin // size, last) * size + size, end) - 1
        with np.errstate(over="ignore"):
            return self.steps_of(ends), means[shown].astype(np.float32)

    def _bins(self, begin: int, end: int, columns: int) -> tuple[int, Blocks, int]:
        """(size, blocks, number of the first block) of at most so many columns."""
        size = _bin_size(begin, end, columns)
        first, last = begin // size, -(-end // size)
        return size, self._pyramid.blocks(self.values(), first, last, size), first

    def _points(self, size: int, blocks: Blocks, first: int) -> Points:
        """Two points a block, and one more where the line is broken."""
        begins = (first + np.arange(len(blocks.sizes))) * size
        lasts = begins + blocks.sizes - 1
        broken = blocks.counts < blocks.sizes
        # A block that ends higher than it begins most likely had its least value first.
        rising = self._values[lasts] >= self._values[begins]
        one = np.where(rising, blocks.lowest, blocks.highest)
        other = np.where(rising, blocks.highest, blocks.lowest)
        table = np.stack([one, other, np.full(len(one), np.nan, np.float32)], axis=1)
        places = np.stack([begins + blocks.sizes // 4, begins + 3 * blocks.sizes // 4, lasts], 1)
        kept = np.ones(table.shape, dtype=np.bool_)
        kept[:, 2] = broken
        return self.steps_of(places[kept]), table[kept]

    # Keeping ---------------------------------------------------------------------------------

    def _step(self, index: int) -> int:
        run = bisect_right(self._begins, index) - 1
        return self._firsts[run] + index - self._begins[run]

    def _append(self, values: NDArray[np.floating]) -> None:
        end = self._length + len(values)
        if end > len(self._values):
            # Pages that are not written to take no memory, so there may be many of them.
            grown = np.empty(max(4 * len(self._values), end, BASE * 16), np.float32)
            grown[: self._length] = self.values()
            self._values = grown
        self._values[self._length : end] = values
        self._length = end


def single(values: NDArray[np.float64]) -> Values:
    """As 32-bit numbers; what is not finite, or too large for them, is NaN."""
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    small[~np.isfinite(small)] = np.nan
    return small


def _bin_size(begin: int, end: int, columns: int) -> int:
    """The least power of 2 whose blocks cover the range in at most so many."""
    size = 1
    while -(-end // size) - begin // size > columns:
        size *= 2
    return size


def _sums_of_last(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """For each value the sum of the last `count`, itself included.

    Not differences of one running sum, in which a single huge value would drown all that follow.
    """
    padded = np.concatenate([np.zeros(count - 1), values])
    sums: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, count).sum(axis=1)
    return sums
