"""The inside of a chart: levels, marks, curves, gaps and the cursor."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from icot_tui.tui.chart.canvas import LINE, QUIET, Canvas, Ink, fit, width_of
from icot_tui.tui.chart.curves import (
    BRAILLE,
    FAINT,
    Dots,
    Downsampled,
    braille,
    columns_of,
    downsample,
    smoothed_line,
    smoothed_value,
    strokes,
    thirds,
)
from icot_tui.tui.chart.data import ChartData, Curve, Floats, MarkKind, Span
from icot_tui.tui.chart.layout import ChartLayout, Scale
from icot_tui.tui.chart.style import MARKS, ChartStyle
from icot_tui.tui.chart.viewport import Viewport, column_at, nearest

_THIRDS = np.array([ord(character) for character in " '-|.|||"], np.uint32)
"""By bits 1, 2 and 4 from the top: a line in ASCII characters."""
_ROOM = (4, 4, 4, 3, 2, 1)
"""By severity: how far a mark's line stays from others at least as severe."""
_FEW_SMOOTHED = 2
"""With more curves only the smoothed lines are drawn, for clarity."""


class Plot(NamedTuple):
    """What is drawn, where and how."""

    canvas: Canvas
    layout: ChartLayout
    data: ChartData
    view: Viewport
    style: ChartStyle
    window: Span
    scale: Scale | None

    @property
    def fine(self) -> tuple[int, int]:
        """Columns and rows of dots in a cell."""
        return (1, 3) if self.style.ascii else (2, 4)

    def rows(self, values: Floats) -> Floats:
        """Rows of dots, from the top of the plot."""
        assert self.scale is not None
        return self.scale.rows(values, self.layout.rows * self.fine[1], self.fine[1])

    def row(self, value: float) -> int | None:
        """The row of cells of a value, from the top of the plot."""
        if self.scale is None:
            return None
        row = self.scale.row(value, self.layout.rows * self.fine[1], self.fine[1])
        return None if row is None else row // self.fine[1]

    def write(self, column: int, row: int, text: str, ink: Ink) -> None:
        """Write at a cell of the plot."""
        self.canvas.write(self.layout.left + column, self.layout.header + row, text, ink)


class Layer:
    """Dots of several curves, and the number of the ink of the topmost in each cell."""

    def __init__(self, rows: int, columns: int) -> None:
        self.dots = np.zeros((rows, columns), np.uint8)
        self.inks = np.zeros((rows, columns), np.uint8)


def draw_plot(plot: Plot) -> tuple[int, set[MarkKind]]:
    """Draw everything; returns how many columns are not finite, and the kinds of marks in view."""
    if plot.layout.columns <= 0 or plot.layout.rows <= 0:
        return 0, set()
    _level_lines(plot)
    kinds = _marks(plot)
    faint = Layer(plot.layout.rows, plot.layout.columns)
    strong = Layer(plot.layout.rows, plot.layout.columns)
    drawn = [_curve(plot, curve, faint, strong) for curve in reversed(plot.data.curves)][::-1]
    raws = [raw for raw, _ in drawn]
    sparse = plot.style.sparse or plot.style.ascii
    _paint(plot, faint, FAINT if sparse else None)
    _paint(plot, strong, None)
    for place in reversed(range(len(raws))) if plot.scale else ():
        _points(plot, plot.data.curves[place], raws[place])
        _letters(plot, place, drawn[place][1])
    columns = [np.zeros(0, np.int64), *(raw.nonfinite for raw in raws)]
    # Not np.unique, which loads numpy.ma.
    nonfinite = np.flatnonzero(np.bincount(np.concatenate(columns) // plot.fine[0]))
    _nonfinite(plot, nonfinite)
    taken = (faint.dots | strong.dots) > 0
    _cursor(plot, taken)
    _level_names(plot, taken)
    return len(nonfinite), kinds


def raw_and_smooth(
    curve: Curve, view: Viewport, window: Span, columns: int
) -> tuple[Downsampled, Downsampled | None]:
    """A curve in so many columns: its own values and, if it is drawn smoothed, those."""
    raw = downsample(curve.x, curve.y, *window, columns, view.log)
    first, stop = curve.between(*window)
    if not (curve.smooth and view.smoothing > 0 and stop - first > 2):
        return raw, None
    x, y = smoothed_line(curve, first, stop, view.smoothing, view.log)
    return raw, downsample(x, y, *window, columns, view.log)


def _curve(
    plot: Plot, curve: Curve, faint: Layer, strong: Layer
) -> tuple[Downsampled, Downsampled]:
    """Add a curve to the layers; returns its raw values, downsampled, and those of its line."""
    columns = plot.layout.columns * plot.fine[0]
    raw, smooth = raw_and_smooth(curve, plot.view, plot.window, columns)
    if smooth is None:
        _add(plot, strong, raw, Ink(curve.colour))
        return raw, raw
    _add(plot, strong, smooth, Ink(curve.colour))
    if sum(other.smooth for other in plot.data.curves) <= _FEW_SMOOTHED:
        _add(plot, faint, raw, Ink(curve.colour, "faint"))
    return raw, smooth


def _add(plot: Plot, layer: Layer, line: Downsampled, ink: Ink) -> None:
    if plot.scale is None or not len(line.at):
        return
    first, last, low, high = map(plot.rows, (line.first, line.last, line.low, line.high))
    placed = replace(line, first=first, last=last, low=low, high=high)
    begin, end = strokes(placed, plot.layout.columns * plot.fine[0])
    dots = (thirds if plot.style.ascii else braille)(begin, end, plot.layout.rows)
    np.bitwise_or(layer.dots, dots, out=layer.dots)
    layer.inks[dots > 0] = plot.canvas.ink(ink)


def _paint(plot: Plot, layer: Layer, pattern: Dots | None) -> None:
    """Put a layer on the canvas, over what is there."""
    dots = layer.dots
    if pattern is not None and not plot.style.ascii:
        dots = dots & pattern.reshape(1, -1)[:, np.arange(dots.shape[1]) % pattern.size]
    rows, columns = np.nonzero(dots)
    picked = dots[rows, columns]
    glyphs = BRAILLE + picked.astype(np.uint32)
    if plot.style.ascii:
        glyphs = _THIRDS[picked] if pattern is None else np.full(len(picked), ord("."), np.uint32)
    y, x = rows + plot.layout.header, columns + plot.layout.left
    plot.canvas.cells[y, x] = glyphs
    plot.canvas.inks[y, x] = layer.inks[rows, columns]


def _points(plot: Plot, curve: Curve, raw: Downsampled) -> None:
    """Dots for measurements, and for single points without a line."""
    wide, high = plot.fine
    wanted = (raw.at >= 0) & (raw.at < plot.layout.columns * wide)
    few = np.count_nonzero(wanted) <= plot.layout.columns // 3
    if not (curve.points and few):
        wanted &= raw.alone & (raw.low == raw.high)
    rows = np.rint(plot.rows(raw.last[wanted])) // high  # where a label of this value stands
    columns = raw.at[wanted].astype(np.int64) // wide
    seen = (rows >= 0) & (rows < plot.layout.rows)
    y, x = rows[seen].astype(np.int64) + plot.layout.header, columns[seen] + plot.layout.left
    plot.canvas.paint(y, x, "o" if plot.style.ascii else "•", Ink(curve.colour, "bold"))


def _letters(plot: Plot, at: int, line: Downsampled) -> None:
    """The letter of the curve of this index every 24 cells along it, shifted for each curve."""
    curves, wide = plot.data.curves, plot.fine[0]
    curve, letter = curves[at], plot.style.letter(at, len(curves))
    if letter is None:
        return
    for column in range(round(8 + 24 * at / len(curves)), plot.layout.columns, 24):
        place = int(np.searchsorted(line.at, column * wide))
        if place >= len(line.at) or line.at[place] >= (column + 1) * wide:
            continue
        row = plot.row(float(line.last[place]))
        if row is not None:
            plot.write(column, row, letter, Ink(curve.colour, "bold"))


def _level_lines(plot: Plot) -> None:
    bar = "-" if plot.style.ascii else "╌"
    left, header = plot.layout.left, plot.layout.header
    for value, _ in plot.data.levels:
        row = plot.row(value)
        if row is not None:
            plot.canvas.paint(header + row, slice(left, None), bar, LINE)


def _level_names(plot: Plot, taken: NDArray[np.bool_]) -> None:
    """The name of each level on its line or beside it, where no curve runs."""
    columns = plot.layout.columns
    for value, label in plot.data.levels:
        row = plot.row(value)
        name = fit(label, max(0, columns // 2), plot.style.ascii)
        if row is None or not name:
            continue
        text = f" {name} "
        width = width_of([(text, QUIET)])
        tried = [columns - width, *range(1, columns - width, max(1, width // 2))]
        near = (row, row + 1, row - 1, row + 2, row - 2)
        places = [(x, y) for y in near if 0 <= y < plot.layout.rows for x in tried]
        free = ((x, y) for x, y in places if not taken[y, max(x, 0) : x + width].any())
        place = next(free, None)
        if place:
            plot.write(*place, text, QUIET)
            taken[place[1], max(place[0], 0) : place[0] + width] = True


def _marks(plot: Plot) -> set[MarkKind]:
    """Lines for as many marks as fit, and characters on the axis; returns the kinds in view."""
    layout, style = plot.layout, plot.style
    part = plot.data.marks_between(*plot.window)
    columns = columns_of(plot.data.mark_x[part], *plot.window, layout.columns)
    found = zip(columns.tolist(), (mark.kind for mark in plot.data.marks[part]), strict=True)
    severest = dict(sorted(found, key=lambda pair: MARKS[pair[1]].severity))
    for column in _with_room(severest):
        kind = severest[column]
        line = ":" if style.ascii else "┊" if kind in ("removal", "reset") else "╎"
        rows = slice(layout.header, layout.bottom)
        plot.canvas.paint(rows, layout.left + column, line, MARKS[kind].ink)
    if layout.axis:
        for column, kind in severest.items():
            plot.write(column, layout.rows, style.mark(kind), MARKS[kind].ink)
    return set(severest.values())


def _with_room(kinds: dict[int, MarkKind]) -> list[int]:
    """The columns whose marks get a line; the severest come first."""
    chosen: set[int] = set()
    for column in sorted(kinds, key=lambda place: (-MARKS[kinds[place]].severity, place)):
        room = _ROOM[MARKS[kinds[column]].severity]
        if not any(column + near in chosen for near in range(1 - room, room)):
            chosen.add(column)
    return sorted(chosen)


def _nonfinite(plot: Plot, columns: NDArray[np.int64]) -> None:
    """Red columns where values are not finite."""
    layout, style = plot.layout, plot.style
    x = columns + layout.left
    lines = np.arange(layout.header, layout.bottom)
    plot.canvas.paint(lines[:, None], x[None, :], ":" if style.ascii else "░", Ink("error"))
    bottom = layout.bottom if layout.axis else layout.bottom - 1
    plot.canvas.paint(bottom, x, style.nonfinite, Ink("error", "bold"))


def _cursor(plot: Plot, taken: NDArray[np.bool_]) -> None:
    """A line, and a dot on each curve at the point of the readout; adds to the cells taken."""
    view, layout, (start, end) = plot.view, plot.layout, plot.window
    if view.cursor is None or not start <= view.cursor <= end:
        return
    column = column_at(view.cursor, start, end, layout.columns)
    strong = Ink("foreground", "bold")
    lines = slice(layout.header, layout.bottom)
    plot.canvas.paint(lines, layout.left + column, "|" if plot.style.ascii else "│", strong)
    curves = plot.data.curves
    taken[:, column] = True
    for place, curve in reversed(list(enumerate(curves))):
        index = nearest(view.cursor, curve.x)
        if index is None or not start <= curve.x[index] <= end:
            continue
        column = column_at(curve.x[index], start, end, layout.columns)
        smooth = curve.smooth and view.smoothing > 0 and np.isfinite(curve.y[index])
        value = float(curve.y[index])
        if smooth:
            value = smoothed_value(curve, index, view.smoothing, view.log)
        row = plot.row(value)
        if row is not None:
            dot = plot.style.letter(place, len(curves)) or plot.style.dot
            plot.write(column, row, dot, Ink(curve.colour, "bold"))
