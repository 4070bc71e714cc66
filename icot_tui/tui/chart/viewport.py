"""The part of the data that a chart shows, and how."""

from dataclasses import dataclass, replace

import numpy as np

from icot_tui.tui.chart.curves import WINDOWS, columns_of
from icot_tui.tui.chart.data import ChartData, Curve, Span


@dataclass(frozen=True)
class Viewport:
    """What a chart shows of its data; every change makes a new one.

    Attributes:
        window: first and last position shown; None: everything, new data included.
        following: the window moves along with new data.
        log: the values are on a logarithmic axis.
        smoothing: over about how many values; one of `curves.WINDOWS`.
        cursor: the position of the readout.
        values: least and greatest value shown; None: all there are in the window.
    """

    window: Span | None = None
    following: bool = False
    log: bool = False
    smoothing: int = 25
    cursor: float | None = None
    values: Span | None = None


def visible(view: Viewport, extent: Span) -> Span:
    """The first and last position shown; the first is always smaller."""
    start, end = _widened(*extent)
    if view.window is None:
        return start, end
    low, high = view.window
    if view.following or low >= end:  # a resumed run may have lost its newest steps
        low, high = end - (high - low), end
    elif high <= start:
        low, high = start, start + (high - low)
    return _widened(low, high)


def zoomed(view: Viewport, extent: Span, factor: float, anchor: float | None = None) -> Viewport:
    """Show `factor` times the range (below 1: less), with `anchor` staying in its place.

    Without an anchor: the cursor if visible, the newest point while following, else the middle.
    """
    start, end = visible(view, extent)
    first, last = _widened(*extent)
    if anchor is None:
        anchor = _anchor(view, start, end, last)
    anchor = min(max(anchor, start), end)
    least = max((last - first) * 1e-7, 1e-9 * max(abs(first), abs(last)), 1e-280)
    factor = max(factor, min(1.0, least / max(end - start, least)))
    return windowed(
        view, extent, anchor - (anchor - start) * factor, anchor + (end - anchor) * factor
    )


def panned(view: Viewport, extent: Span, share: float) -> Viewport:
    """Move by this share of the range, to the right if positive."""
    start, end = visible(view, extent)
    move = (end - start) * share
    return windowed(view, extent, start + move, end + move)


def windowed(view: Viewport, extent: Span, start: float, end: float) -> Viewport:
    """Show start to end, kept within the data; everything if it fits."""
    first, last = _widened(*extent)
    if end - start >= (last - first) * (1 - 1e-9):
        return replace(view, window=None, following=False)
    start, end = min(start, last - (end - start)), min(end, last)
    start, end = max(start, first), max(end, first + (end - start))
    return replace(view, window=(start, end), following=end >= last - (last - first) * 1e-9)


def with_cursor(view: Viewport, extent: Span, x: float) -> Viewport:
    """Put the cursor there and, if it is out of view, bring it to the middle."""
    first, last = _widened(*extent)
    x = min(max(x, first), last)
    start, end = visible(view, extent)
    if not start <= x <= end:
        half = (end - start) / 2
        view = windowed(view, extent, x - half, x + half)
    return replace(view, cursor=x)


def stepped(view: Viewport, data: ChartData, columns: int, many: int) -> Viewport:
    """Move the cursor by so many columns (negative: left), on to the next point there is."""
    if data.extent is None or not many:
        return view
    start, end = visible(view, data.extent)
    if view.cursor is None:
        spans = [(curve.x, *curve.between(start, end)) for curve in data.curves]
        newest = [x[stop - 1] for x, first, stop in spans if stop > first]
        return with_cursor(view, data.extent, float(max(newest, default=end)))
    width = (end - start) / max(columns, 1)
    goal = view.cursor + many * width
    candidates = [_next_point(curve, view.cursor, goal, many) for curve in data.curves]
    found = [x for x in candidates if x is not None]
    if not found:
        return view
    return with_cursor(view, data.extent, min(found) if many > 0 else max(found))


def to_mark(view: Viewport, data: ChartData, forward: bool) -> Viewport:
    """Put the cursor on the next or previous removal; on any mark where none is a removal.

    Without a cursor these are the first and the last removal in view.
    """
    if data.extent is None:
        return view
    first, last = data.extent
    places = [mark.x for mark in data.marks if mark.kind == "removal"] or list(data.mark_x)
    places = [x for x in places if first <= x <= last]
    start, end = visible(view, data.extent)
    if view.cursor is not None:
        ahead = [x for x in places if (x > view.cursor if forward else x < view.cursor)]
    else:
        ahead = [x for x in places if (x >= start if forward else x <= end)]
    if not ahead:
        return view
    return with_cursor(view, data.extent, ahead[0] if forward else ahead[-1])


def nearest(x: float, places: np.ndarray) -> int | None:
    """The index of the nearest of ascending positions."""
    if not len(places):
        return None
    right = min(int(np.searchsorted(places, x)), len(places) - 1)
    left = max(right - 1, 0)
    return left if x - places[left] <= places[right] - x else right


def whole(view: Viewport) -> Viewport:
    """Everything, new data included, without a cursor."""
    return replace(view, window=None, following=False, cursor=None, values=None)


def with_range_of(view: Viewport, other: Viewport) -> Viewport:
    """This view with the range of positions and the cursor of another chart."""
    return replace(view, window=other.window, following=other.following, cursor=other.cursor)


def next_smoothing(view: Viewport) -> Viewport:
    """The next stronger smoothing; after the strongest, none."""
    place = WINDOWS.index(view.smoothing)
    return replace(view, smoothing=WINDOWS[(place + 1) % len(WINDOWS)])


def column_at(x: float, start: float, end: float, columns: int) -> int:
    """The column of a position within start to end."""
    return int(columns_of(np.array([x]), start, end, columns)[0])


def _widened(start: float, end: float) -> Span:
    """The span, made wide enough for numbers of this size to differ."""
    if end - start > max(1e-12 * max(abs(start), abs(end)), 1e-280):
        return start, end
    room = max(0.5, 1e-6 * abs(start))
    return start - room, end + room


def _anchor(view: Viewport, start: float, end: float, last: float) -> float:
    if view.cursor is not None and start <= view.cursor <= end:
        return view.cursor
    following = view.window is None or view.following
    return last if following else start + (end - start) / 2


def _next_point(curve: Curve, cursor: float, goal: float, many: int) -> float | None:
    """The first point at least one column away, at the goal or the nearest one beyond it."""
    if not len(curve.x):
        return None
    if many > 0:
        index = min(int(np.searchsorted(curve.x, goal, "left")), len(curve.x) - 1)
        return float(curve.x[index]) if curve.x[index] > cursor else None
    index = max(int(np.searchsorted(curve.x, goal, "right")) - 1, 0)
    return float(curve.x[index]) if curve.x[index] < cursor else None
