"""Curves from points to dots: smoothed, downsampled and rasterized."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.tui.chart.data import Curve, Floats, Numbers, bounded, usable

Columns = NDArray[np.int64]
Rows = NDArray[np.int64]
Dots = NDArray[np.uint8]
WINDOWS = (0, 5, 25, 100, 500)
"""The choices of about how many values to smooth over; 0: none."""
REACH = 8
"""Values this many windows back weigh less than 0.04 %."""
_BLOCKS = 4096  # more than any screen has columns


def running_mean(values: Numbers, window: float, *, start: bool = True) -> Floats:
    """Each value's mean with those before it, over about so many of them.

    The mean m moves by (y - m) / n, where n grows with every second value up to `window`: so the
    first values, often far from what follows, are forgotten as fast as others come. What is not
    finite is skipped and stays NaN.

    Args:
        values: one after another.
        window: over about how many the mean is taken, at least 1.
        start: is the first of them the curve's first? If not, it stands for all before it.
    """
    means = np.full(len(values), np.nan)
    finite = np.isfinite(values)
    y = bounded(values)[finite]
    if len(y):
        head = min(len(y), max(1, int(2 * window) - 1)) if start else 1
        known = _growing_mean(y[:head])
        means[finite] = np.concatenate([known, _exponential(known[-1], y[head:], 1 - 1 / window)])
    return means


def _growing_mean(y: Floats) -> Floats:
    """m moves by (y - m) / n with n = 1, 1.5, 2, 2.5 ..., all values at once."""
    share = 1 / (1 + np.arange(len(y)) / 2)
    left = np.cumprod(np.append(1.0, 1 - share[1:]))  # of the first value, after each step
    share[0] = 1.0
    means: Floats = left * np.cumsum(share * (y / left))
    return means


def _exponential(before: float, y: Floats, weight: float) -> Floats:
    """m becomes weight * m + (1 - weight) * y, from `before` on.

    Sums over 1, 2, 4, ... values, each made of two of the last, until the weights have faded out.
    """
    total = (1 - weight) * y
    total[:1] += weight * before
    reach = 1
    while reach < len(total) and weight**reach > 1e-4:
        total[reach:] += weight**reach * total[:-reach]
        reach *= 2
    return total


def smoothed(values: Numbers, window: float, log: bool, *, start: bool = True) -> Floats:
    """The running mean in the axis's own space, geometric on a log axis; never beyond the data."""
    good = usable(values, log)
    if not good.any():
        return np.full(len(values), np.nan)
    y = np.where(good, bounded(values), np.nan)
    least, most = np.nanmin(y), np.nanmax(y)
    means = (
        np.exp(running_mean(np.log(y), window, start=start))
        if log
        else (running_mean(y, window, start=start))
    )
    return np.clip(means, least, most)


def smoothed_line(
    curve: Curve, first: int, end: int, window: int, log: bool = False
) -> tuple[Floats, Floats]:
    """Positions and smoothed values of the points `first` to `end`, and one beyond on each side.

    Of a great many points, blocks are averaged first: their borders don't depend on what is seen,
    so that nothing flickers while the view moves.
    """
    block = 1 << max(0, ((end - first) // _BLOCKS).bit_length())
    begin = max(0, first - block - REACH * window) // block * block
    end = min(len(curve.x), (end // block + 2) * block)
    ends = np.minimum(np.arange(begin + block, end + block, block), end) - 1
    x = curve.x[ends]
    y = _block_means(curve.y[begin:end], block, log)
    fading = (1 - 1 / window) ** block
    smooth = smoothed(y, 1 / (1 - fading), log, start=begin == 0)
    skipped = max(0, int(np.searchsorted(x, curve.x[first])) - 1) if first < len(curve.x) else 0
    return x[skipped:], smooth[skipped:]


def smoothed_value(curve: Curve, index: int, window: int, log: bool = False) -> float:
    """The smoothed value at one point, exactly."""
    begin = max(0, index + 1 - REACH * window)
    return float(smoothed(curve.y[begin : index + 1], window, log, start=begin == 0)[-1])


def _block_means(values: Numbers, block: int, log: bool) -> Floats:
    """Means of each `block` values, geometric on a log axis; NaN where none can be drawn."""
    good = usable(values, log)
    y = bounded(values) if good.all() else np.where(good, bounded(values), np.nan)
    if block == 1:
        return y
    if log:
        y = np.log(y)
    starts = np.arange(0, len(values), block)
    many = np.add.reduceat(good, starts, dtype=np.float64)
    many[many == 0] = np.nan
    means = bounded(np.add.reduceat(np.where(good, y, 0.0), starts) / many)
    return np.exp(means) if log else means


@dataclass(frozen=True, eq=False)
class Downsampled:
    """A downsampled line: one entry for each column that has points.

    The nearest points outside the window are included, so that the line reaches its edges.

    Attributes:
        at: the column; whole numbers inside the window, anything for the neighbours.
        first, last, low, high: of the values in the column.
        joined: does the line continue from the entry before?
        nonfinite: columns with values that are not finite.
    """

    at: Floats
    first: Floats
    last: Floats
    low: Floats
    high: Floats
    joined: NDArray[np.bool_]
    nonfinite: Columns

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Which entries have no line to either side?"""
        alone: NDArray[np.bool_] = ~self.joined & ~np.append(self.joined[1:], False)
        return alone


def columns_of(x: Floats, start: float, end: float, columns: int) -> Columns:
    """The column of each position in the window; the last one includes the right end."""
    return np.clip((x - start) / (end - start) * columns, 0, columns - 1).astype(np.int64)


def downsample(
    x: Floats, y: Numbers, start: float, end: float, columns: int, log: bool
) -> Downsampled:
    """The points from start to end (start < end) in so many columns.

    `x` is finite and ascending. On a log axis values at or below zero are gaps.
    """
    begin = max(0, int(np.searchsorted(x, start, "left")) - 1)
    stop = min(len(x), int(np.searchsorted(x, end, "right")) + 1)
    x, y = x[begin:stop], y[begin:stop]
    good = usable(y, log)
    breaks = nonfinite = np.zeros(0, np.int64)
    if not good.all():
        holes = np.flatnonzero(~good)
        breaks = holes - np.arange(len(holes))  # before which of the points that are left
        wrong = x[holes[~np.isfinite(y[holes])]]
        wrong = wrong[(wrong >= start) & (wrong <= end)]
        nonfinite = np.unique(columns_of(wrong, start, end, columns))
        x, y = x[good], y[good]
    edges = np.searchsorted(x, np.linspace(start, end, columns + 1), "left")
    edges[-1] = np.searchsorted(x, end, "right")
    edges = np.concatenate(([0], edges, [len(x)]))  # a neighbour, the columns, a neighbour
    used = np.flatnonzero(np.diff(edges) > 0)
    starts, ends, at = edges[used], edges[used + 1], used.astype(np.float64) - 1
    outside = (at < 0) | (at >= columns)
    place = np.clip((x[starts[outside]] - start) / (end - start) * columns - 0.5, -1e9, 1e9)
    left, right = np.minimum(place, -0.51), np.maximum(place, columns - 0.49)
    at[outside] = np.where(at[outside] < 0, left, right)
    whole = np.ones(len(x) + 1, np.bool_)
    whole[breaks] = False
    joined = whole[starts]
    joined[:1] = False
    return Downsampled(
        at=at,
        first=bounded(y[starts]),
        last=bounded(y[ends - 1]),
        low=bounded(np.minimum.reduceat(y, starts)),
        high=bounded(np.maximum.reduceat(y, starts)),
        joined=joined,
        nonfinite=nonfinite,
    )


def _spans(dots: tuple[int, ...]) -> Dots:
    """At index 5 * first + end: the dots from first up to and without end."""
    pairs = [sum(dots[first:end]) for first in range(5) for end in range(5)]
    return np.array(pairs, np.uint8)


_LEFT, _RIGHT = _spans((0x01, 0x02, 0x04, 0x40)), _spans((0x08, 0x10, 0x20, 0x80))
BRAILLE = 0x2800
FAINT = np.array([[0x01 | 0x20, 0x08 | 0x04]], np.uint8)
"""A sparse pattern that makes curves look faint without colour."""


def strokes(line: Downsampled, columns: int) -> tuple[Rows, Rows]:
    """The first and last row of dots in each column; empty where the first is greater.

    The values of `line` are rows already, counted from the top. Lines between columns are straight;
    each column has the rows whose centre the line crosses, so that a line is one dot wide.
    """
    top, bottom = np.full(columns, np.inf), np.full(columns, -np.inf)
    inside = (line.at >= 0) & (line.at < columns) & (line.at == np.floor(line.at))
    at = line.at[inside].astype(np.int64)
    top[at] = np.minimum(line.low[inside], line.high[inside])
    bottom[at] = np.maximum(line.low[inside], line.high[inside])
    crossing = _crossings(line, columns)
    for edge in (crossing[:-1], crossing[1:]):
        top, bottom = np.fmin(top, edge), np.fmax(bottom, edge)
    empty = top > bottom
    top[empty], bottom[empty] = 1.0, 0.0
    first, last = np.ceil(top).astype(np.int64), np.floor(bottom).astype(np.int64)
    between = ~empty & (first > last)
    first[between] = last[between] = np.rint((top[between] + bottom[between]) / 2).astype(np.int64)
    return first, last


def braille(first: Rows, last: Rows, rows: int) -> Dots:
    """The dots of strokes in two columns a cell, as the low byte of braille characters."""
    top = 4 * np.arange(rows)[:, None]
    span = 5 * np.clip(first - top, 0, 4) + np.clip(last + 1 - top, 0, 4)
    dots: Dots = _LEFT[span[:, ::2]] | _RIGHT[span[:, 1::2]]
    return dots


def thirds(first: Rows, last: Rows, rows: int) -> Dots:
    """The same with three rows and one column a cell: bits 1, 2 and 4 from the top."""
    top = 3 * np.arange(rows)[:, None]
    begin, end = np.clip(first - top, 0, 3), np.clip(last + 1 - top, 0, 3)
    bits = np.where(begin < end, (1 << end) - (1 << begin), 0)
    return bits.astype(np.uint8)


def _crossings(line: Downsampled, columns: int) -> Floats:
    """Where the line crosses the columns + 1 borders; NaN where it does not."""
    crossing = np.full(columns + 1, np.nan)
    if len(line.at) < 2:
        return crossing
    border = np.arange(columns + 1) - 0.5
    left = np.searchsorted(line.at, border, "right") - 1
    on = (left >= 0) & (left < len(line.at) - 1)
    on[on] = line.joined[left[on] + 1]
    left, border = left[on], border[on]
    begin, end = line.at[left], line.at[left + 1]
    share = (border - begin) / (end - begin)
    crossing[on] = line.last[left] * (1 - share) + line.first[left + 1] * share
    return crossing
