"""Curves and bars in characters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from icot_tui.cli.plots.canvas import PlotextCanvas
from icot_tui.cli.plots.look import Look
from icot_tui.formatting import plain
from icot_tui.themes import load_theme
from icot_tui.tui.chart.curves import downsample, smoothed_line
from icot_tui.tui.chart.data import ChartData, Curve, Floats, Mark, Span
from icot_tui.tui.chart.layout import Scale, scale_of
from icot_tui.tui.chart.style import ANSI, MARKS, ChartStyle, series_number
from icot_tui.tui.chart.ticks import position_ticks, value_ticks
from icot_tui.tui.chart.viewport import Viewport, visible

AROUND = 4
"""Lines above and below the cells of a plot: title, axis, ticks, label."""
TICK_COLUMNS, TICK_ROWS = 12, 3
"""Cells for each tick of an axis."""
NO_MARKS: Mapping[int, Sequence[Mark]] = {}
FEW_POINTS = 40
"""Up to so many measurements of a curve get a dot each."""


def draw_curves(
    data: ChartData,
    look: Look,
    marks: Mapping[int, Sequence[Mark]] = NO_MARKS,
    notes: Sequence[str] = (),
) -> Text:
    """Curves with their legend below. Those of the same colour have one name.

    Args:
        data: curves in the colours `series0`, `series1`, ...; its own marks are not drawn.
        marks: what happened in the run of a curve, by the curve's number: each has a row of
            characters on the x axis.
        notes: lines below the legend.
    """
    view = Viewport(log=look.log)
    lines = tuple(as_drawn(curve, look) for curve in data.curves)
    window = None if data.extent is None else visible(view, data.extent)
    scale = None if window is None else scale_of(replace(data, curves=lines), view, *window)
    if window is None or scale is None:
        return Text(plain(data.empty))
    style = ChartStyle(look.ascii, letters=not look.colour or len(lines) > len(ANSI))
    legend = _in_lines(
        [*_curve_names(data, look, style), *_mark_names(data, marks, style)], look.width
    )
    below = [*legend, *(Text(plain(note)) for note in notes)]
    rows = max(len(marks) + 2, look.height - AROUND - len(below))
    title = f"{data.y_label}{', log scale' * look.log}"
    title += f", smoothed over about {look.smoothing:,} values" if look.smoothing else ""
    plot = _CurvePlot(
        data=data,
        lines=lines,
        marks=marks,
        look=look,
        style=style,
        window=window,
        scale=scale,
        rows=rows,
    )
    for line in below:
        line.truncate(look.width, overflow="ellipsis")
    return Text("\n").join([_heading(title, look), plot.draw(), *below])


def as_drawn(curve: Curve, look: Look) -> Curve:
    """The curve, smoothed in the space of the axis if it is to be."""
    if not (look.smoothing and curve.smooth and len(curve.x) > 2):
        return curve
    line = smoothed_line(curve, 0, len(curve.x), look.smoothing, look.log)
    return Curve(curve.name, *line, curve.colour)


def draw_bars(title: str, bars: Sequence[tuple[str, float]], look: Look) -> Text:
    """A horizontal bar for each name and value, which is written beside the name."""
    known = [(plain(name), value) for name, value in bars if math.isfinite(value)]
    if not known:
        return Text("there is no finite value to draw")
    names = [f"{_fit(name, look.width // 3)} {value:.4g}" for name, value in known]
    width = max(map(cell_len, names))
    names = [name.rjust(len(name) + width - cell_len(name)) for name in names]
    columns = max(10, look.width - width - 1)
    most = max(max(value for _, value in known), 0.0) or 1.0
    rows = list(reversed(range(0, 2 * len(known), 2)))
    below = [
        (value / most * (columns - 1), label)
        for value, label in value_ticks(0.0, most, columns // TICK_COLUMNS, False, False)
    ]
    canvas = PlotextCanvas(
        columns,
        rows[0] + 1,
        left=list(zip(rows, names, strict=True)),
        below=below,
        ascii=look.ascii,
    )
    ends = [value / most * (columns - 1) for _, value in known]
    canvas.bars(rows, ends, colour_of("series0") if look.colour else "")
    return Text("\n").join([_heading(title, look), canvas.render()])


def colour_of(name: str) -> str:
    """A colour of the palette (`series3`) or of the theme (`primary`), as rich names it."""
    number = series_number(name)
    if number is not None:
        return ANSI[number % len(ANSI)]
    return str(getattr(load_theme(), name)).removeprefix("ansi_")


@dataclass(frozen=True, kw_only=True)
class _CurvePlot:
    """Curves as they are and as they are drawn, and the parts of the axes that are seen."""

    data: ChartData
    lines: Sequence[Curve]
    marks: Mapping[int, Sequence[Mark]]
    look: Look
    style: ChartStyle
    window: Span
    scale: Scale
    rows: int

    def draw(self) -> Text:
        data, style, (start, end) = self.data, self.style, self.window
        low, high, base = self.scale.low, self.scale.high, len(self.marks)
        most = max(2, (self.rows - base) // TICK_ROWS)
        values = value_ticks(low, high, most, self.look.log, data.percent)
        places = self._rows_of(np.array([value for value, _ in values]))
        left = [
            (row, text)
            for row, (_, text) in zip(places, values, strict=True)
            if len(text) <= self.look.width // 4
        ]
        if base > 1:
            letters = (_letter(data.curves[place], style, data) for place in self.marks)
            left += [(row, letter) for row, letter in enumerate(letters) if letter is not None]
        columns = max(10, self.look.width - 1 - max((len(text) for _, text in left), default=0))
        ticks = position_ticks(start, end, columns // TICK_COLUMNS, data.x_label, data.whole)
        below = [((x - start) / (end - start) * columns - 0.5, text) for x, text in ticks]
        label = "training time" if data.x_label == "hours" else data.x_label
        canvas = PlotextCanvas(
            columns, self.rows, left=left, below=below, x_label=plain(label), ascii=style.ascii
        )
        first_on_top = [*enumerate(zip(data.curves, self.lines, strict=True))][::-1]
        thinned = [self._line(canvas, columns, raw, line) for _, (raw, line) in first_on_top]
        for (place, (raw, _)), line in zip(first_on_top, thinned, strict=True):
            self._points(canvas, raw, place, line)
        for row, place in enumerate(self.marks):
            self._marks(canvas, columns, row, place)
        drawn = canvas.render()
        return drawn if below else drawn.append("\n")  # there is always a line for ticks

    def _line(
        self, canvas: PlotextCanvas, columns: int, raw: Curve, shown: Curve
    ) -> tuple[Floats, Floats]:
        """Draw a line, and where it is not finite; returns (columns, rows) of its points."""
        colour = self._colour(raw.colour)
        line = downsample(shown.x, shown.y, *self.window, 2 * columns, self.look.log)
        x = (line.at + 0.5) / 2 - 0.5
        rows = [self._rows_of(each) for each in (line.first, line.low, line.high, line.last)]
        joined = np.ones((len(x), len(rows)), np.bool_)
        joined[:, 0] = line.joined
        canvas.line(np.repeat(x, len(rows)), np.column_stack(rows).ravel(), joined.ravel(), colour)
        lost = downsample(raw.x, raw.y, *self.window, columns, self.look.log).nonfinite
        canvas.points(lost, np.full(len(lost), len(self.marks)), self.style.nonfinite, colour)
        return x, rows[-1]

    def _points(
        self, canvas: PlotextCanvas, curve: Curve, place: int, points: tuple[Floats, Floats]
    ) -> None:
        """Dots for measurements; letters, where colours don't tell curves apart."""
        x, rows = points
        letter = _letter(curve, self.style, self.data)
        if curve.points and len(x) <= FEW_POINTS:
            canvas.points(x, rows, letter or self.style.dot, self._colour(curve.colour))
        elif letter is not None and len(x):
            shares = (np.arange(3) + (place + 0.5) / len(self.lines)) / 3
            some = (shares * len(x)).astype(np.int64)
            canvas.points(x[some], rows[some], letter, self._colour(curve.colour))

    def _rows_of(self, values: Floats) -> Floats:
        return self.rows - 1 - self.scale.rows(values, self.rows - len(self.marks))

    def _marks(self, canvas: PlotextCanvas, columns: int, row: int, place: int) -> None:
        """A character for each; of several in one cell, the most severe is drawn last."""
        start, end = self.window
        several = len({curve.colour for curve in self.data.curves}) > 1
        for kind in sorted(MARKS, key=lambda kind: MARKS[kind].severity):
            seen = (mark for mark in self.marks[place] if start <= mark.x <= end)
            x = np.array([mark.x for mark in seen if mark.kind == kind])
            at = np.rint((x - start) / (end - start) * columns - 0.5)
            colour = self.data.curves[place].colour if several else MARKS[kind].ink.colour
            canvas.points(at, np.full(len(at), row), self.style.mark(kind), self._colour(colour))

    def _colour(self, name: str) -> str:
        return colour_of(name) if self.look.colour else ""


def _letter(curve: Curve, style: ChartStyle, data: ChartData) -> str | None:
    """The letter of a curve, where letters tell curves apart."""
    return style.letter(series_number(curve.colour) or 0, len(data.curves))


def _curve_names(data: ChartData, look: Look, style: ChartStyle) -> list[Text]:
    """Legend of the curves."""
    names = []
    for curve in {curve.colour: curve for curve in data.curves}.values():
        dot = style.dot if curve.points else style.swatch(0, 1)
        swatch = _letter(curve, style, data) or dot
        colour = colour_of(curve.colour) if look.colour else ""
        names.append(Text.assemble((swatch, colour), f" {plain(curve.name)}"))
    return names


def _mark_names(
    data: ChartData, marks: Mapping[int, Sequence[Mark]], style: ChartStyle
) -> list[Text]:
    """Legend of the marks that there are."""
    kinds = {mark.kind for row in marks.values() for mark in row}
    names = [f"{style.mark(kind)} {kind}" for kind in MARKS if kind in kinds]
    if any(not np.isfinite(curve.y).all() for curve in data.curves):
        names.append(f"{style.nonfinite} not finite")
    return [Text(name) for name in names]


def _in_lines(pieces: Sequence[Text], width: int) -> list[Text]:
    """The pieces side by side, in as many lines as it takes."""
    lines: list[Text] = []
    for piece in pieces:
        if lines and lines[-1].cell_len + 2 + piece.cell_len <= width:
            lines[-1] = Text("  ").join([lines[-1], piece])
        else:
            lines.append(piece)
    return lines


def _heading(title: str, look: Look) -> Text:
    text = _fit(plain(title), look.width)
    return Text(" " * ((look.width - cell_len(text)) // 2) + text)


def _fit(text: str, width: int) -> str:
    fitted = Text(text)
    fitted.truncate(width, overflow="ellipsis")
    return fitted.plain
