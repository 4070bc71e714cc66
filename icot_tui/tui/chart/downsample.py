"""A line of any number of points as one stroke a column: from its lowest to its highest value."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.tui.chart.data import Floats, Numbers
from icot_tui.tui.chart.prepare import bounded, usable

Columns = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Downsampled:
    """What is left of a line, one entry for each column that has points.

    The neighbours just outside of the window come along, so that the line runs up to its edges.

    Attributes:
        at: the column; whole numbers inside of the window, anything for the neighbours.
        first, last, low, high: of the values in the column.
        joined: whether the line goes on from the entry before.
        broken: columns with values that are not finite.
    """

    at: Floats
    first: Floats
    last: Floats
    low: Floats
    high: Floats
    joined: NDArray[np.bool_]
    broken: Columns


def columns_of(x: Floats, start: float, end: float, columns: int) -> Columns:
    """The column of each position in the window; the last one holds the right end as well."""
    return np.clip((x - start) / (end - start) * columns, 0, columns - 1).astype(np.int64)


def downsample(
    x: Floats, y: Numbers, start: float, end: float, columns: int, log: bool
) -> Downsampled:
    """The points within start to end (start < end), spread over so many columns.

    `x` is finite and ascending. Values at or below zero are gaps on a log axis.
    """
    begin = max(0, int(np.searchsorted(x, start, "left")) - 1)
    stop = min(len(x), int(np.searchsorted(x, end, "right")) + 1)
    x, y = x[begin:stop], y[begin:stop]
    good = usable(y, log)
    breaks = np.zeros(0, np.int64)
    broken = breaks
    if not good.all():
        holes = np.flatnonzero(~good)
        breaks = holes - np.arange(len(holes))  # before which of the points that are left
        wrong = x[holes[~np.isfinite(y[holes])]]
        wrong = wrong[(wrong >= start) & (wrong <= end)]
        broken = np.unique(columns_of(wrong, start, end, columns))
        x, y = x[good], y[good]
    return _strokes(x=x, y=y, start=start, end=end, columns=columns, breaks=breaks, broken=broken)


def _strokes(
    x: Floats,
    y: Numbers,
    start: float,
    end: float,
    columns: int,
    breaks: Columns,
    broken: Columns,
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
    if not len(starts):
        none = np.zeros(0)
        return Downsampled(
            at=none,
            first=none,
            last=none,
            low=none,
            high=none,
            joined=np.zeros(0, np.bool_),
            broken=broken,
        )
    low = bounded(np.minimum.reduceat(y[: ends[-1]], starts))
    high = bounded(np.maximum.reduceat(y[: ends[-1]], starts))
    whole = np.ones(len(x) + 1, np.bool_)
    whole[breaks] = False
    joined = whole[starts]
    joined[0] = False
    return Downsampled(
        at=at,
        first=bounded(y[starts]),
        last=bounded(y[ends - 1]),
        low=low,
        high=high,
        joined=joined,
        broken=broken,
    )


def _outside(x: float, start: float, end: float, columns: int) -> float:
    place = float(np.clip((x - start) / (end - start) * columns - 0.5, -1e9, 1e9))
    return min(place, -0.51) if x < start else max(place, columns - 0.49)
