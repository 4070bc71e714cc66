"""Accuracy and speed over the number of written tokens: two charts, one above the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from icot_tui.formatting import percent, plain
from icot_tui.tui.actions.export import save_files
from icot_tui.tui.chart.data import ChartData, Curve
from icot_tui.tui.chart.widget import Chart

if TYPE_CHECKING:
    from icot_tui.analysis.budget import BudgetPoint

X_LABEL = "tokens written"
KEYS = "left and right read the charts   w writes them to files   escape leaves"


class BudgetPlot(Screen[None]):
    """What each written token gains and costs.

    Args:
        name: the checkpoint.
        points: of the sweep.
        ascii_only: draw with ASCII characters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "read(-1)", "read", show=False, priority=True),
        Binding("right", "read(1)", "read", show=False, priority=True),
        Binding("w", "write", "write files", show=False),
        Binding("escape,q,B", "leave", "leave", show=False),
    ]
    DEFAULT_CSS = """
    BudgetPlot { background: $background; color: $foreground; layout: vertical; }
    BudgetPlot > .header { height: 1; background: $panel; padding: 0 1; text-style: bold; }
    BudgetPlot > .words { height: auto; max-height: 3; padding: 0 1; }
    BudgetPlot > .keys { height: 1; padding: 0 1; color: $foreground 70%; }
    BudgetPlot > Chart { margin: 1 1 0 1; }
    """

    def __init__(self, name: str, points: "Sequence[BudgetPoint]", ascii_only: bool) -> None:
        super().__init__()
        self.points = sorted(points, key=lambda point: point.written)
        self.accuracy = Chart(_accuracy(self.points), ascii=ascii_only)
        self.speed = Chart(_speed(self.points), ascii=ascii_only)
        self._name_in_words = plain(name)

    def compose(self) -> ComposeResult:
        """Title, summary, charts."""
        title = f"budget of thought  {self._name_in_words}"
        yield Static(title, markup=False, classes="header")
        yield Static(conclusion(self.points), markup=False, classes="words")
        yield self.accuracy
        yield self.speed
        yield Static(KEYS, markup=False, classes="keys")

    def action_read(self, by: int) -> None:
        """Move the cursor of both charts."""
        for chart in (self.accuracy, self.speed):
            if by < 0:
                chart.cursor_left()
            else:
                chart.cursor_right()

    def action_write(self) -> None:
        """Write both charts as drawings and tables."""
        charts = (("accuracy", self.accuracy), ("speed", self.speed))
        files = [
            (f"budget-{name}", ending, text)
            for name, chart in charts
            for ending, text in (("svg", chart.svg()), ("csv", chart.csv()))
        ]
        save_files(self.app, "charts", files)

    def action_leave(self) -> None:
        """Back to the questions."""
        self.dismiss(None)


def conclusion(points: "Sequence[BudgetPoint]") -> str:
    """The two ends of the curve in words.

    Args:
        points: ascending by written tokens.
    """
    least, most = points[0], points[-1]
    text = (
        f"{percent(least.exact_match)} right with {least.written} tokens written, "
        f"{percent(most.exact_match)} with {most.written} ({least.examples:,} examples)."
    )
    if least.examples_per_second and most.examples_per_second:
        times = least.examples_per_second / most.examples_per_second
        text += f" Writing {least.written} is {times:.1f} times as fast as writing {most.written}."
    return text


def _accuracy(points: "Sequence[BudgetPoint]") -> ChartData:
    x = np.array([point.written for point in points], np.float64)

    def curve(name: str, values: list[float], colour: str, dots: bool) -> Curve:
        return Curve(name, x, np.array(values), colour, smooth=False, points=dots)

    curves = (
        curve("exact match", [point.exact_match for point in points], "primary", True),
        curve("low end of 95 %", [point.low for point in points], "series2", False),
        curve("high end", [point.high for point in points], "series2", False),
    )
    return ChartData(
        curves=curves,
        marks=(),
        x_label=X_LABEL,
        y_label="exact match",
        version=1,
        empty="",
        percent=True,
    )


def _speed(points: "Sequence[BudgetPoint]") -> ChartData:
    x = np.array([point.written for point in points], np.float64)
    speeds = np.array([point.examples_per_second or np.nan for point in points])
    curve = Curve("examples a second, one by one", x, speeds, "accent", smooth=False, points=True)
    return ChartData(
        curves=(curve,),
        marks=(),
        x_label=X_LABEL,
        y_label=curve.name,
        version=1,
        empty="the speed was not measured",
    )
