"""Draw a chart as character cells. Pure: the same data, view and size give the same frame."""

import numpy as np

from icot_tui.tui.chart.axes import draw_axes
from icot_tui.tui.chart.canvas import QUIET, Canvas, Frame, fit, width_of
from icot_tui.tui.chart.header import draw_header, header_lines, notes, wrap
from icot_tui.tui.chart.layout import ChartLayout, chart_layout, scale_of
from icot_tui.tui.chart.plot import Plot, draw_plot
from icot_tui.tui.chart.prepare import Prepared
from icot_tui.tui.chart.style import MARKS, ChartStyle
from icot_tui.tui.chart.ticks import value_ticks
from icot_tui.tui.chart.viewport import Span, Viewport, visible


def draw(
    prepared: Prepared, view: Viewport, width: int, height: int, style: ChartStyle | None = None
) -> tuple[Frame, ChartLayout]:
    """A frame of `height` lines of `width` cells, and the layout of its parts."""
    style = style or ChartStyle()
    canvas = Canvas(width, height)
    if width <= 0 or height <= 0:
        return canvas.frame(), ChartLayout(0, 0, 0, 0, axis=False)
    if prepared.extent is None:
        _draw_message(canvas, prepared.data.empty, style)
        return canvas.frame(), ChartLayout(0, 0, width, height, axis=False)
    with np.errstate(all="ignore"):
        layout = _draw(canvas, prepared, view, style, visible(view, prepared.extent))
    return canvas.frame(), layout


def _draw(
    canvas: Canvas, prepared: Prepared, view: Viewport, style: ChartStyle, window: Span
) -> ChartLayout:
    height, width = canvas.cells.shape
    scale = scale_of(prepared, view, *window)
    column = (window[1] - window[0]) / max(width - 6, 1)
    lines = header_lines(prepared, view, style, column, width, height)
    layout = chart_layout(width, height, len(lines), 0)
    levels = []
    if scale and layout.axis:
        most = max(2, min(9, layout.rows // 3 + 1))
        levels = value_ticks(scale.low, scale.high, most, scale.log, prepared.data.percent)
        widest = max((len(label) for _, label in levels), default=0)
        layout = chart_layout(width, height, len(lines), widest)
    plot = Plot(
        canvas=canvas,
        layout=layout,
        prepared=prepared,
        view=view,
        style=style,
        window=window,
        scale=scale,
    )
    if layout.axis:
        draw_axes(plot, levels if layout.left > 1 else [])
    nonfinite, kinds = draw_plot(plot)
    if scale is None:
        _draw_message(
            canvas, "no value above zero here" if view.log else "no finite value here", style
        )
    shown = sorted(kinds, key=lambda kind: -MARKS[kind].severity)
    beside = notes(prepared, view, style, shown, nonfinite) if view.cursor is None else []
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
