"""Draw a chart as character cells. Pure: the same data, view and size give the same frame."""

import numpy as np

from icot_tui.tui.chart.canvas import LINE, QUIET, Canvas, Frame, fit, width_of
from icot_tui.tui.chart.data import ChartData, Span
from icot_tui.tui.chart.header import draw_header, header_lines, notes, wrap
from icot_tui.tui.chart.layout import ChartLayout, chart_layout, scale_of
from icot_tui.tui.chart.plot import Plot, draw_plot
from icot_tui.tui.chart.style import MARKS, ChartStyle
from icot_tui.tui.chart.ticks import Tick, position_ticks, value_ticks
from icot_tui.tui.chart.viewport import Viewport, column_at, visible


def draw(
    data: ChartData, view: Viewport, width: int, height: int, style: ChartStyle | None = None
) -> tuple[Frame, ChartLayout]:
    """A frame of `height` lines of `width` cells, and the layout of its parts."""
    style = style or ChartStyle()
    canvas = Canvas(width, height)
    if width <= 0 or height <= 0:
        return canvas.frame(), ChartLayout(0, 0, 0, 0, axis=False)
    if data.extent is None:
        _draw_message(canvas, data.empty, style)
        return canvas.frame(), ChartLayout(0, 0, width, height, axis=False)
    with np.errstate(all="ignore"):
        layout = _draw(canvas, data, view, style, visible(view, data.extent))
    return canvas.frame(), layout


def _draw(
    canvas: Canvas, data: ChartData, view: Viewport, style: ChartStyle, window: Span
) -> ChartLayout:
    height, width = canvas.cells.shape
    scale = scale_of(data, view, *window)
    column = (window[1] - window[0]) / max(width - 6, 1)
    lines = header_lines(data, view, style, column, width, height)
    layout = chart_layout(width, height, len(lines), 0, style.margin)
    levels = []
    if scale and layout.axis:
        most = max(2, min(9, layout.rows // 3 + 1))
        if data.percent and layout.rows % 2:
            most = max(3, most)  # the row in the middle is level with 50 %
        levels = value_ticks(scale.low, scale.high, most, scale.log, data.percent)
        widest = max((len(label) for _, label in levels), default=0)
        layout = chart_layout(width, height, len(lines), widest, style.margin)
    plot = Plot(
        canvas=canvas, layout=layout, data=data, view=view, style=style, window=window, scale=scale
    )
    if layout.axis:
        draw_axes(plot, levels if layout.left > 1 else [])
    nonfinite, kinds = draw_plot(plot)
    if scale is None:
        _draw_message(
            canvas, "no value above zero here" if view.log else "no finite value here", style
        )
    shown = [kind for kind in MARKS if kind in kinds]
    beside = notes(data, view, style, shown, nonfinite) if view.cursor is None else []
    draw_header(canvas, lines, beside)
    return layout


def _draw_message(canvas: Canvas, message: str, style: ChartStyle) -> None:
    """A message in the middle, on several lines where it is long."""
    height, width = canvas.cells.shape
    words = fit(message, 1000, style.ascii).split()
    laid, _ = wrap([[(word, QUIET)] for word in words], max(width - 2, 1), height, " ")
    for place, line in enumerate(laid):
        x = max(0, (width - width_of(line)) // 2)
        canvas.write_runs(x, (height - len(laid)) // 2 + place, line)


def draw_axes(plot: Plot, levels: list[Tick]) -> None:
    """The y axis with ticks at `levels`, and the x axis with its own."""
    canvas, layout = plot.canvas, plot.layout
    line, corner, left, down, bar = "|+++-" if plot.style.ascii else "│└┤┬─"
    x = layout.left - 1
    canvas.paint(slice(layout.header, layout.bottom), x, line, LINE)
    canvas.paint(layout.bottom, slice(x + 1, None), bar, LINE)
    canvas.paint(layout.bottom, x, corner, LINE)
    taken = set()
    for value, label in levels:
        row = plot.row(value)
        if row is not None and row not in taken:
            taken.add(row)
            canvas.write(x - len(label), layout.header + row, label, QUIET)
            canvas.write(x, layout.header + row, left, LINE)
    _label_positions(plot, down)


def _label_positions(plot: Plot, tick: str) -> None:
    """The x axis' name, and the ticks whose labels fit beside it."""
    layout, (start, end), data = plot.layout, plot.window, plot.data
    width = layout.left + layout.columns
    # Hours name themselves: `3h20m`.
    name = "" if data.x_label == "hours" else fit(data.x_label, width // 3, plot.style.ascii)
    name_width = width_of([(name, QUIET)])
    plot.canvas.write(width - name_width, layout.bottom + 1, name, QUIET)
    room = width - (name_width + 2 if name else 0)
    most = max(2, layout.columns // 12)
    free = 0
    for value, label in position_ticks(start, end, most, data.x_label, data.whole):
        column = column_at(value, start, end, layout.columns)
        middle = layout.left + column - len(label) // 2
        begin = min(max(middle, free), room - len(label))
        if begin >= free and abs(begin - middle) <= 1 + len(label) // 2:
            plot.canvas.write(layout.left + column, layout.bottom, tick, LINE)
            plot.canvas.write(begin, layout.bottom + 1, label, QUIET)
            free = begin + len(label) + 2
