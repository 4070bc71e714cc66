"""The training loss, with marks at events that may have changed it."""

from collections.abc import Hashable

import numpy as np
from textual.app import ComposeResult

from icot_tui.engine.journal.events import SQUARED_ERROR
from icot_tui.formatting import whole_share
from icot_tui.tui.chart.data import ChartData, Curve
from icot_tui.tui.chart.widget import Chart
from icot_tui.tui.frame.panel import FULL, Panel
from icot_tui.tui.panels.accuracy import BESIDE, accuracy_data
from icot_tui.tui.panels.curves import (
    axis_label,
    loss_parts,
    losses,
    marks,
    of_present_training,
    points_of,
    version,
    x_span,
)
from icot_tui.tui.run.monitor import free_colour
from icot_tui.tui.run.view import RunView
from icot_tui.watch.gradient_norms import GradientNorms
from icot_tui.watch.source import Source

BELOW = (16, 24, 32)
"""Rows of the panel from which on accuracy, gradient norm and learning rate are below the loss."""
MARGIN = 7
"""Cells for the labels of values, so that all charts begin in one column."""
READING_SECONDS = 0.02
"""Of gradient norms at a redraw."""
EMPTY_TEXT = "The loss appears here with the first steps of training."


class LossPanel(Panel):
    """Raw and smoothed loss; removals, resets and spikes are marked.

    On a full screen accuracy, gradient norm and learning rate stand below it, with one range of
    steps and one cursor.

    Attributes:
        alone: leave them out.
        with_parts: draw the parts of the loss beside it, where it is a sum.
    """

    label = "loss"
    DEFAULT_CSS = """
    LossPanel > .below { display: none; }
    LossPanel.-full > .main { height: 2fr; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chart: Chart = Chart(log=True)  # spikes are small beside the first losses
        self.below = tuple(Chart() for _ in BELOW)
        self.alone = False
        self.with_parts = False
        self._shown: Hashable = None
        self._shown_below: Hashable = None
        self._norms: GradientNorms | None = None
        self._norms_of: Source | None = None

    def compose(self) -> ComposeResult:
        self.chart.add_class("main")
        yield self.chart
        for chart in self.below:
            chart.add_class("below")
            yield chart

    def show(self, view: RunView) -> None:
        self.chart.ascii = view.ascii
        window = self.chart.viewport.window
        below = self._fitting()
        self.chart.margin = MARGIN if below else BESIDE
        shown = (version(view), view.phase, window, self.with_parts)
        if shown != self._shown:
            self._shown = shown
            self.chart.show(loss_data(view, shown, window, self.with_parts))
        if below:
            self._show_below(view, below, window)

    @property
    def charts(self) -> tuple[Chart, ...]:
        return self.chart, *self.below

    def _fitting(self) -> int:
        """Show as many of the other charts as have room; returns how many."""
        wanted = BELOW if self.has_class(FULL) and not self.alone else ()
        many = sum(self.content_size.height >= rows for rows in wanted)
        for at, chart in enumerate(self.below):
            chart.display = at < many
        return many

    def _show_below(self, view: RunView, many: int, window: tuple[float, float] | None) -> None:
        for chart in self.below:
            chart.ascii, chart.margin = view.ascii, MARGIN
        if many > 1:
            if self._norms is None or self._norms_of is not view.source:
                self._norms, self._norms_of = GradientNorms(view.source.folder), view.source
            self._norms.look(READING_SECONDS)
        read = (self._norms.share_read, len(self._norms.series)) if self._norms else None
        shown = (version(view), view.phase, window, many, read)
        if shown == self._shown_below:
            return
        self._shown_below = shown
        accuracy, norm, rate = self.below
        accuracy.show(accuracy_data(view, per_digit=False, zoomed=window is not None))
        if many > 1 and self._norms is not None:
            norm.show(norm_data(view, self._norms, window))
        if many > 2:
            rate.show(rate_data(view, window))


def loss_data(
    view: RunView, shown: Hashable, window: tuple[float, float] | None, with_parts: bool = False
) -> ChartData:
    """The losses of the run and of its overlays in a window of the axis, or in all of it.

    With their parts, those of the run alone; they are means of a few steps and not smoothed.
    """
    phase = view.history.summary.metrics.phase
    is_error = phase is not None and phase.unit == SQUARED_ERROR
    x, values = losses(view.history, view.axis, window)
    curves = [Curve(view.source.folder.name, x, values, "primary")]  # drawn over the others
    for overlay in view.overlays:
        x, values = losses(overlay.source.history, view.axis, window)
        curves.append(Curve(overlay.name, x, values, f"series{overlay.colour_index}"))
    taken = [overlay.colour_index for overlay in view.overlays]
    for name, x, means in loss_parts(view.history, view.axis) if with_parts else ():
        taken.append(free_colour(name, taken))
        curves.append(Curve(name, x, means, f"series{taken[-1]}", smooth=False))
    since, until = x_span(view, zoomed=window is not None) or (None, None)
    return ChartData(
        curves=tuple(curves),
        marks=marks(view.history, view.axis),
        since=since,
        until=until,
        x_label=axis_label(view.history, view.axis),
        y_label="loss: squared error" if is_error else "loss",
        version=shown,
        empty=f"Getting ready: {view.phase}." if view.phase else EMPTY_TEXT,
    )


def norm_data(view: RunView, norms: GradientNorms, window: tuple[float, float] | None) -> ChartData:
    """The gradient norm of each step, before clipping."""
    history = view.history
    steps, values = points_of(norms.series, history, view.axis, window)
    known = steps <= history.summary.metrics.step  # beyond it lies what a resume has undone
    x, values = of_present_training(history, view.axis, steps[known], values[known])
    read = norms.share_read
    name = "gradient norm" if read == 1 else f"gradient norm, {whole_share(read)} read"
    curve = Curve(name, x, values, "secondary")
    return _below(view, curve, "gradient norm", window, read)


def rate_data(view: RunView, window: tuple[float, float] | None) -> ChartData:
    """The learning rate, a point each few steps."""
    lines = view.history.lines
    x, rates = of_present_training(
        view.history, view.axis, lines.steps.astype(np.int64), lines.rates.copy()
    )
    curve = Curve("learning rate", x, rates, "accent", smooth=False)
    return _below(view, curve, "learning rate", window)


def _below(
    view: RunView,
    curve: Curve,
    label: str,
    window: tuple[float, float] | None,
    read: float = 1.0,
) -> ChartData:
    since, until = x_span(view, zoomed=window is not None) or (None, None)
    return ChartData(
        curves=(curve,),
        marks=marks(view.history, view.axis),
        since=since,
        until=until,
        x_label=axis_label(view.history, view.axis),
        y_label=label,
        version=(version(view), window, read),
        empty=f"The {label} appears here with the first steps of training.",
    )
