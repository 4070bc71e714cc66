"""The axes: lines, ticks and their labels."""

from icot_tui.tui.chart.canvas import LINE, QUIET, fit, width_of
from icot_tui.tui.chart.layout import whole_positions
from icot_tui.tui.chart.plot import Plot
from icot_tui.tui.chart.ticks import Tick, position_ticks
from icot_tui.tui.chart.viewport import column_at


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
    for column, label, begin in _labels(plot):
        canvas.write(layout.left + column, layout.bottom, down, LINE)
        canvas.write(begin, layout.bottom + 1, label, QUIET)


def _labels(plot: Plot) -> list[tuple[int, str, int]]:
    """(column, label, first column of the label) of the ticks that fit beside the axis' name."""
    layout, (start, end), data = plot.layout, plot.window, plot.prepared.data
    width = layout.left + layout.columns
    # Hours name themselves: `3h20m`.
    name = "" if data.x_label == "hours" else fit(data.x_label, width // 3, plot.style.ascii)
    name_width = width_of([(name, QUIET)])
    plot.canvas.write(width - name_width, layout.bottom + 1, name, QUIET)
    room = width - (name_width + 2 if name else 0)
    most = max(2, layout.columns // 12)
    placed, free = [], 0
    for value, label in position_ticks(start, end, most, data.x_label, whole_positions(data)):
        column = column_at(value, start, end, layout.columns)
        middle = layout.left + column - len(label) // 2
        begin = min(max(middle, free), room - len(label))
        if begin >= free and abs(begin - middle) <= 1 + len(label) // 2:
            placed.append((column, label, begin))
            free = begin + len(label) + 2
    return placed
