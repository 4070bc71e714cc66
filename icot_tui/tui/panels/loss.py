"""The training loss, with marks at events that may have changed it."""

from collections.abc import Hashable

from textual.app import ComposeResult

from icot_tui.engine.journal.events import SQUARED_ERROR
from icot_tui.tui.chart.data import ChartData, Curve
from icot_tui.tui.chart.widget import Chart
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.curves import axis_label, losses, marks, version
from icot_tui.tui.run.view import RunView

EMPTY_TEXT = "The loss appears here with the first steps of training."


class LossPanel(Panel):
    """Raw and smoothed loss; removals, resets and spikes are marked."""

    label = "loss"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chart: Chart = Chart(log=True)  # spikes are small beside the first losses
        self._shown: Hashable = None

    def compose(self) -> ComposeResult:
        yield self.chart

    def show(self, view: RunView) -> None:
        self.chart.ascii = view.ascii
        window = self.chart.viewport.window
        shown = (version(view), view.phase, window)
        if shown != self._shown:
            self._shown = shown
            self.chart.show(loss_data(view, shown, window))


def loss_data(view: RunView, shown: Hashable, window: tuple[float, float] | None) -> ChartData:
    """The losses of the run and of its overlays in a window of the axis, or in all of it."""
    phase = view.history.summary.metrics.phase
    is_error = phase is not None and phase.unit == SQUARED_ERROR
    x, values = losses(view.history, view.axis, window)
    curves = [Curve(view.source.folder.name, x, values, "primary")]  # drawn over the others
    for overlay in view.overlays:
        x, values = losses(overlay.source.history, view.axis, window)
        curves.append(Curve(overlay.name, x, values, f"series{overlay.colour_index}"))
    return ChartData(
        curves=tuple(curves),
        marks=marks(view.history, view.axis),
        x_label=axis_label(view.history, view.axis),
        y_label="loss: squared error" if is_error else "loss",
        version=shown,
        empty=f"Getting ready: {view.phase}." if view.phase else EMPTY_TEXT,
    )
