"""A study's figure in characters."""

import numpy as np
from rich.text import Text

from icot_tui.cli.plots.drawing import draw_bars, draw_curves
from icot_tui.cli.plots.look import Look
from icot_tui.studies.figure import Drawing
from icot_tui.tui.chart.data import ChartData, Curve


def draw_figure(drawing: Drawing, look: Look) -> Text:
    """Bars, or the points of each series on their lines."""
    title = f"{drawing.title}: {drawing.y_label}"
    if drawing.bars:
        bars = [
            (", ".join(filter(None, (series.name, drawing.ticks[round(x)]))), y)
            for series in drawing.series
            for x, y in zip(series.x, series.y, strict=True)
        ]
        return draw_bars(title, bars, look)
    curves = tuple(
        Curve(
            series.name,
            np.array(series.x, np.float64),
            np.array(series.y, np.float64),
            f"series{series.colour}",
            smooth=False,
            points=True,
        )
        for series in drawing.series
    )
    data = ChartData(
        curves=curves,
        x_label=drawing.x_label,
        y_label=title,
        version=0,
        empty="there is no finite value to draw",
    )
    return draw_curves(data, look)
