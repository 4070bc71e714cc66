"""A chart exported as text, as CSV or as SVG."""

import csv
import io

import numpy as np

from icot_tui.formatting import plain
from icot_tui.tui.chart.draw import draw
from icot_tui.tui.chart.prepare import Prepared
from icot_tui.tui.chart.smooth import exponential
from icot_tui.tui.chart.style import ChartStyle
from icot_tui.tui.chart.svg import as_svg
from icot_tui.tui.chart.viewport import Viewport, visible

__all__ = ["as_csv", "as_svg", "as_text"]


def as_text(
    prepared: Prepared, view: Viewport, width: int, height: int, style: ChartStyle | None = None
) -> str:
    """The chart as lines of text without trailing blanks."""
    frame, _ = draw(prepared, view, width, height, style)
    return "\n".join(line.rstrip() for line in frame.lines()) + "\n"


def as_csv(prepared: Prepared, view: Viewport) -> str:
    """`curve,position,value,smoothed`: every point in the window, a line each, all digits.

    Values that are not finite are written as nan, inf and -inf; without smoothing the last column
    is empty.
    """
    data = prepared.data
    sheet = io.StringIO()
    table = csv.writer(sheet, lineterminator="\n")
    table.writerow(["curve", plain(data.x_label), plain(data.y_label), "smoothed"])
    start, end = visible(view, prepared.extent) if prepared.extent else (0.0, 0.0)
    for line in prepared.lines:
        first, stop = line.between(start, end)
        name = plain(line.curve.name)
        smoothed: list[object] = [""] * (stop - first)
        if line.curve.smooth and view.smoothing:
            means = exponential(line.y[:stop], 1 - 1 / view.smoothing)[first:]
            smoothed = ["" if np.isnan(mean) else repr(mean) for mean in means.tolist()]
        values = zip(
            line.x[first:stop].tolist(), line.y[first:stop].tolist(), smoothed, strict=True
        )
        table.writerows([name, _whole(x), repr(y), mean] for x, y, mean in values)
    return sheet.getvalue()


def _whole(x: float) -> str:
    return str(int(x)) if x == int(x) and abs(x) < 1e15 else repr(x)
