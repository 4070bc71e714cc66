"""Where the parts of a chart are, and the range of values it shows."""

import math
from dataclasses import dataclass, replace

import numpy as np

from icot_tui.tui.chart.data import LARGEST, ChartData, Floats, Span, bounded, usable
from icot_tui.tui.chart.viewport import Viewport

SMALLEST_SHARE = 1e-4
"""Of the range of all values, that zooming goes down to."""
LEAST = 1e-280
"""Smaller spans can't be divided by."""


@dataclass(frozen=True)
class ChartLayout:
    """A chart's parts, in cells: header lines, labels on the left, the plot, two lines below."""

    header: int
    left: int
    columns: int
    rows: int
    axis: bool

    @property
    def bottom(self) -> int:
        """The line of the axis."""
        return self.header + self.rows


def chart_layout(width: int, height: int, header: int, label: int, margin: int = 0) -> ChartLayout:
    """The parts of a chart of this size, with labels `label` cells wide if there is room.

    At least `margin` cells are kept for them, so that charts below each other are aligned.
    """
    label = max(label, margin) if label or margin else 0
    axis = height >= 5 and width >= 12
    rows = max(0, height - header - (2 if axis else 0))
    left = (label + 1 if 0 < label < width // 2 else 0) + (1 if axis else 0)
    return ChartLayout(header, left, max(0, width - left), rows, axis)


@dataclass(frozen=True)
class Scale:
    """The range of values from the lowest to the highest row; low < high.

    With `cell` rows of dots in a row of cells, both ends lie in the middle of their cells: level
    with the label beside them.
    """

    low: float
    high: float
    log: bool

    def rows(self, values: Floats, many: int, cell: int = 1) -> Floats:
        """Rows of dots, counted from the top, of so many; values outside the range lie outside."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log10(values), math.log10(low), math.log10(high)
        share = (high - values) / (high - low)
        return np.clip(share * (many - cell) + (cell - 1) / 2, -1e7, 1e7)

    def row(self, value: float, many: int, cell: int = 1) -> int | None:
        """The row of one value; None if it is outside, or not above zero on a log axis."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return None
        place = round(float(self.rows(np.array([value]), many, cell)[0]))
        return place if 0 <= place < many else None


def scale_of(data: ChartData, view: Viewport, start: float, end: float) -> Scale | None:
    """The chosen scale, or one that fits all values from start to end; None if none can."""
    ranges = [_range(curve.y, *curve.between(start, end), view.log) for curve in data.curves]
    seen = [span for span in ranges if span is not None]
    if not seen:
        return None
    if view.values is not None and (view.values[0] > 0 or not view.log):
        return Scale(*view.values, view.log)
    levels = [level for level, _ in data.levels if abs(level) <= LARGEST]
    levels = [level for level in levels if not view.log or level > 0]
    low = min([span[0] for span in seen] + levels)
    high = max([span[1] for span in seen] + levels)
    if data.percent and view.window is None and low >= 0 and high <= 1:
        low, high = (low if view.log else 0.0), 1.0
    elif not view.log:
        low, high = _with_room(low, high)
    return _log_scale(low, high) if view.log else Scale(low, high, log=False)


def zoomed_values(
    data: ChartData, view: Viewport, window: Span, factor: float, anchor: float | None
) -> Viewport:
    """Show `factor` times the range of values (below 1: less); `anchor` stays in its place.

    All values are shown again where that is more than there are in the window.
    """
    full = scale_of(data, replace(view, values=None), *window)
    now = scale_of(data, view, *window)
    if full is None or now is None:
        return view
    to = math.log10 if now.log else float
    low, high = to(now.low), to(now.high)
    middle = (low + high) / 2
    if anchor is not None and math.isfinite(anchor) and (anchor > 0 or not now.log):
        middle = min(max(to(anchor), low), high)
    least, most = to(full.low), to(full.high)
    factor = max(factor, min(1.0, SMALLEST_SHARE * (most - least) / (high - low)))
    low, high = middle - (middle - low) * factor, middle + (high - middle) * factor
    if factor > 1 and low <= least and high >= most:
        return replace(view, values=None)
    ends = (10**low, 10**high) if now.log else (low, high)
    # Exactly, so that nothing is cut off, where the range reaches an end of all values.
    least_shown = full.low if low <= least < high else ends[0]
    most_shown = full.high if low < most <= high else ends[1]
    return replace(view, values=(least_shown, most_shown))


def _range(values: np.ndarray, first: int, end: int, log: bool) -> Span | None:
    part = values[first:end]
    good = usable(part, log)
    if not good.all():
        part = part[good]
    if not len(part):
        return None
    low, high = bounded(np.array([part.min(), part.max()]))
    return float(low), float(high)


def _with_room(low: float, high: float) -> Span:
    """A range from zero where the values come near it, and some room around equal values."""
    if high - low <= max(LEAST, 1e-12 * max(abs(low), abs(high))):
        room = abs(high) * 0.5 if abs(high) > LEAST else 1.0
        return low - room, high + room
    if 0 <= low <= 0.35 * high:
        return 0.0, high + 0.02 * (high - low)
    if 0.35 * low <= high <= 0:
        return low - 0.02 * (high - low), 0.0
    room = 0.04 * (high - low)
    return (max(low - room, 0.0) if low >= 0 else low - room), high + room


def _log_scale(low: float, high: float) -> Scale:
    low = max(low, 1e-290)
    high = max(high, low)
    if math.log10(high) - math.log10(low) < 1e-6:
        return Scale(low / 3, high * 3, log=True)
    return Scale(low, high, log=True)
