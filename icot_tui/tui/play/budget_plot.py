"""Accuracy and speed over the tokens written: two charts, one above the other.

Positions are means over the examples of the chain-of-thought tokens really written. Beside the
fixed budgets stands what the model chooses by its own confidence (`analysis.hybrid`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from icot_tui.formatting import percent, plain
from icot_tui.tui.actions.export import READ_SECONDS, save_files
from icot_tui.tui.chart.data import ChartData, Curve
from icot_tui.tui.chart.widget import Chart, link
from icot_tui.tui.play.asker import NOT_MIXED
from icot_tui.tui.play.worker import Job

if TYPE_CHECKING:
    from icot_tui.analysis.budget import BudgetPoint
    from icot_tui.analysis.hybrid import BudgetOutcome
    from icot_tui.tui.play.playground import Playground

X_LABEL = "tokens written, mean over the examples"
KEYS = "left and right read the charts   w writes them to files   escape closes"


def plot_budget(screen: "Playground") -> None:
    """Try every budget with the checkpoint under the cursor, or the first that allows it."""
    result = screen.answers.current
    current = [] if result is None else [result.entry]
    entry = next((one for one in [*current, *screen.list.chosen] if one.mixed), None)
    if entry is None:
        screen.warn(NOT_MIXED, READ_SECONDS)
        return

    def work(job: Job) -> "tuple[Sequence[BudgetPoint], Sequence[BudgetOutcome]]":
        job.report("trying budgets of thought")
        return screen.backend.sweep(entry, job.report)

    def done(found: "tuple[Sequence[BudgetPoint], Sequence[BudgetOutcome]]") -> None:
        screen.app.push_screen(BudgetPlot(entry.label, *found, screen.answers.lines.ascii))

    screen.worker.submit("budget", work, done, screen.warn)


class BudgetPlot(Screen[None]):
    """What each written token gains and costs with the checkpoint of this name."""

    BINDINGS = [
        Binding("left", "read(-1)", "read", show=False, priority=True),
        Binding("right", "read(1)", "read", show=False, priority=True),
        Binding("w", "write", "write files", show=False),
        Binding("escape,q,B", "dismiss", "leave", show=False),
    ]
    DEFAULT_CSS = """
    BudgetPlot { background: $background; color: $foreground; layout: vertical; }
    BudgetPlot > .header { height: 1; background: $panel; padding: 0 1; text-style: bold; }
    BudgetPlot > .words { height: auto; max-height: 3; padding: 0 1; }
    BudgetPlot > .keys { height: 1; padding: 0 1; color: $foreground 70%; }
    BudgetPlot > Chart { margin: 1 1 0 1; }
    """

    def __init__(
        self,
        name: str,
        points: "Sequence[BudgetPoint]",
        hybrid: "Sequence[BudgetOutcome]",
        ascii_only: bool,
    ) -> None:
        super().__init__()
        self.points = sorted(points, key=lambda point: (point.mean_written, point.written))
        most = max(self.points[-1].mean_written, *(one.written_in_all for one in hybrid))
        self.accuracy = Chart(_accuracy(self.points, hybrid, most), ascii=ascii_only)
        self.speed = Chart(_speed(self.points, most), ascii=ascii_only)
        link([self.accuracy, self.speed])
        self._title_in_words = f"budget of thought  {plain(name)}"

    def compose(self) -> ComposeResult:
        yield Static(self._title_in_words, markup=False, classes="header")
        yield Static(conclusion(self.points), markup=False, classes="words")
        yield self.accuracy
        yield self.speed
        yield Static(KEYS, markup=False, classes="keys")

    def action_read(self, by: int) -> None:
        """Move the cursor of both charts."""
        self.accuracy.step_cursor(by)

    def action_write(self) -> None:
        """Write both charts as drawings and tables."""
        files = []
        for name, chart in (("accuracy", self.accuracy), ("speed", self.speed)):
            name = f"budget-{name}"
            files += [(name, "svg", chart.svg()), (name, "csv", chart.csv())]
        save_files(self.app, "charts", files)


def conclusion(points: "Sequence[BudgetPoint]") -> str:
    """The two ends of the curve, whose points ascend by written tokens, in words."""
    least, most = points[0], points[-1]
    few, many = (f"{round(point.mean_written, 1):,g}" for point in (least, most))
    text = (
        f"{percent(least.exact_match)} right with {few} tokens written on average, "
        f"{percent(most.exact_match)} with {many} ({least.examples:,} examples)."
    )
    times = least.examples_per_second / most.examples_per_second
    return f"{text} Writing {few} is {times:.1f} times as fast as writing {many}."


def _accuracy(
    points: "Sequence[BudgetPoint]", hybrid: "Sequence[BudgetOutcome]", most: float
) -> ChartData:
    shares = np.array([one.share for one in hybrid])
    by_confidence = (
        ("by confidence", [one.written for one in hybrid], "success"),
        ("and all tries counted", [one.written_in_all for one in hybrid], "warning"),
    )
    curves = (
        _curve(points, "exact match", [point.exact_match for point in points], "primary"),
        _curve(
            points,
            "lower end of the 95 % interval",
            [point.low for point in points],
            "series2",
            dots=False,
        ),
        _curve(points, "high end", [point.high for point in points], "series2", dots=False),
        *(
            Curve(name, np.array(written), shares, colour, smooth=False, points=True)
            for name, written, colour in by_confidence
        ),
    )
    return ChartData(
        curves=curves,
        x_label=X_LABEL,
        y_label="exact match",
        version=1,
        percent=True,
        until=most,
    )


def _speed(points: "Sequence[BudgetPoint]", most: float) -> ChartData:
    speeds = [point.examples_per_second for point in points]
    curve = _curve(points, "examples a second, one by one", speeds, "accent")
    return ChartData(
        curves=(curve,),
        x_label=X_LABEL,
        y_label=curve.name,
        version=1,
        empty="the speed was not measured",
        until=most,
    )


def _curve(
    points: "Sequence[BudgetPoint]", name: str, values: list[float], colour: str, dots: bool = True
) -> Curve:
    x = np.array([point.mean_written for point in points], np.float64)
    return Curve(name, x, np.array(values), colour, smooth=False, points=dots)
