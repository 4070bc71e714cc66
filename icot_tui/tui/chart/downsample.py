"""Downsampling: any number of points as one entry a column, with its minimum and maximum."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.tui.chart.data import Floats, Numbers
from icot_tui.tui.chart.prepare import bounded, usable

Columns = NDArray[np.int64]


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
    breaks = np.zeros(0, np.int64)
    nonfinite = breaks
    if not good.all():
        holes = np.flatnonzero(~good)
        breaks = holes - np.arange(len(holes))  # before which of the points that are left
        wrong = x[holes[~np.isfinite(y[holes])]]
        wrong = wrong[(wrong >= start) & (wrong <= end)]
        nonfinite = np.unique(columns_of(wrong, start, end, columns))
        x, y = x[good], y[good]
    return _strokes(
        x=x, y=y, start=start, end=end, columns=columns, breaks=breaks, nonfinite=nonfinite
    )


def _strokes(
    x: Floats,
    y: Numbers,
    start: float,
    end: float,
    columns: int,
    breaks: Columns,
    nonfinite: Columns,
) -> Downsampled:
    first = int(np.searchsorted(x, start, "left"))
    stop = max(first, int(np.searchsorted(x, end, "right")))
    edges = np.searchsorted(x[first:stop], np.linspace(start, end, columns + 1)[:-1], "left")
    edges[0] = 0
    edges = np.append(edges, stop - first) + first
    used = np.flatnonzero(np.diff(edges) > 0)
    starts, ends = edges[used], edges[used + 1]
    at = used.astype(np.float64)
    if first > 0:
        starts, ends = np.append(first - 1, starts), np.append(first, ends)
        at = np.append(_outside(x[first - 1], start, end, columns), at)
    if stop < len(x):
        starts, ends = np.append(starts, stop), np.append(ends, stop + 1)
        at = np.append(at, _outside(x[stop], start, end, columns))
    y = y[: ends[-1] if len(ends) else 0]
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


def _outside(x: float, start: float, end: float, columns: int) -> float:
    place = float(np.clip((x - start) / (end - start) * columns - 0.5, -1e9, 1e9))
    return min(place, -0.51) if x < start else max(place, columns - 0.49)
