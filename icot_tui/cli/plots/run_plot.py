"""What `icot-tui runs plot` draws: a quantity of runs over steps, time or removals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.text import Text

from icot_tui.cli.plots.drawing import draw_curves
from icot_tui.cli.plots.look import Look, Quantity
from icot_tui.engine.journal.events import SQUARED_ERROR
from icot_tui.errors import UserError
from icot_tui.formatting import count, listed
from icot_tui.tui.chart.data import ChartData, Curve, Floats, Mark, Numbers
from icot_tui.tui.panels.curves import (
    along,
    axis_label,
    digit_shares,
    exact_match,
    loss_parts,
    marks,
    of_present_training,
)
from icot_tui.tui.run.view import Axis
from icot_tui.watch.history import History
from icot_tui.watch.source import Source
from icot_tui.watch.steps import read_steps

Lines = Iterator[tuple[str, Floats, Numbers]]
"""(name, x, y) of each line of a run; the name of an only one is empty."""
SMOOTHED_PARTS = 50
"""Smoothing is over about one of so many parts of the longest run."""
MOST_MARKED = 4
"""Of so many runs the removals, resets and spikes are marked."""
STAGES_ALIKE = "all stages are equally wide: the last one reaches beyond its number"
"""Why an axis of stages goes one beyond the number of tokens."""


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A quantity that can be drawn.

    Attributes:
        lines: what is drawn of a run.
        label: of the y axis.
        lacks: what is true of a run without it.
        percent: values are shares.
        points: each value is a measurement of its own.
        smooth: it may be smoothed.
    """

    lines: Callable[[Source, Axis], Lines]
    label: str
    lacks: str
    percent: bool = False
    points: bool = False
    smooth: bool = False


@dataclass(frozen=True, kw_only=True)
class _Plot:
    """A quantity of every run that has it, the marks of each, and what is said below."""

    data: ChartData
    look: Look
    marks: Mapping[int, Sequence[Mark]]
    notes: Sequence[str]


def draw_runs(
    sources: Sequence[Source],
    quantities: Sequence[Quantity],
    axis: Axis,
    look: Look,
    smooth: bool = False,
) -> Text:
    """Each quantity of every run that has it, one plot below the other over the same x range.

    Runs without it are named below.

    Raises:
        UserError: no run has one of them.
    """
    plots = [_plot(sources, quantity, axis, look, smooth) for quantity in quantities]
    ends = [end for plot in plots for end in plot.data.extent or ()]
    drawn = (
        draw_curves(
            replace(plot.data, since=min(ends, default=None), until=max(ends, default=None)),
            plot.look,
            plot.marks,
            plot.notes,
        )
        for plot in plots
    )
    return Text("\n\n").join(drawn)


def _plot(
    sources: Sequence[Source], quantity: Quantity, axis: Axis, look: Look, smooth: bool
) -> _Plot:
    if quantity == axis:
        raise UserError("--y removed over --x removed is a straight line: choose --x step or time")
    kind = KINDS[quantity]
    curves: list[Curve] = []
    drawn: list[History] = []
    notes: list[str] = []
    for source in sources:
        name = source.folder.name
        lines = [line for line in kind.lines(source, axis) if np.isfinite(line[2]).any()]
        if not lines:
            notes.append(f"run {name} {kind.lacks}")
            continue
        drawn.append(source.history)
        for part, x, y in lines:
            title = part if part and len(sources) == 1 else f"{name} {part}".rstrip()
            curves.append(Curve(title, x, y, f"series{len(curves)}", kind.smooth, kind.points))
            notes += _left_out(title, y, look.log)
    if not curves:
        raise UserError("; ".join(notes))
    if smooth and kind.smooth:
        longest = max(len(curve.x) for curve in curves)
        look = replace(look, smoothing=max(2, longest // SMOOTHED_PARTS))
    own_curve = len(curves) == len(drawn) or len(drawn) == 1
    marked = {place: marks(history, axis) for place, history in enumerate(drawn) if own_curve}
    rows = {place: found for place, found in marked.items() if found}
    if len(rows) > MOST_MARKED:
        rows = dict(list(rows.items())[:MOST_MARKED])
        shown = listed([curves[place].name for place in rows])
        notes.append(f"marked is what happened in {shown}")
    notes += [STAGES_ALIKE] if axis == "removed" else []
    data = ChartData(
        curves=tuple(curves),
        until=max((mark.x for found in rows.values() for mark in found), default=None),
        x_label=axis_label(drawn[0], axis),
        y_label=_label(quantity, drawn),
        version=0,
        empty="no value above zero: leave out --log",
        percent=kind.percent,
    )
    return _Plot(data=data, look=look, marks=rows, notes=notes)


def _label(quantity: Quantity, drawn: Sequence[History]) -> str:
    """Of the y axis."""
    phases = [history.summary.metrics.phase for history in drawn]
    if quantity == "loss" and any(phase and phase.unit == SQUARED_ERROR for phase in phases):
        return "loss: squared error"
    return axis_label(drawn[0], "removed") if quantity == "removed" else KINDS[quantity].label


def _left_out(name: str, values: Numbers, log: bool) -> Iterator[str]:
    """What a line lacks, in words."""
    finite = np.isfinite(values)
    if many := int(len(values) - finite.sum()):
        yield f"{name}: {count(many, 'value')} not finite or missing, drawn as gaps"
    if log and (many := int((values[finite] <= 0).sum())):
        yield f"{name}: {count(many, 'value')} not above zero, left out on the log scale"


def _losses(source: Source, axis: Axis) -> Lines:
    losses = source.history.losses
    yield "", *of_present_training(source.history, axis, losses.steps(), losses.values())


def _parts(source: Source, axis: Axis) -> Lines:
    yield from loss_parts(source.history, axis)


def _accuracy(source: Source, axis: Axis) -> Lines:
    yield "", *exact_match(source.history, axis)


def _digits(source: Source, axis: Axis) -> Lines:
    evaluations = source.history.evaluations
    x = along(source.history, [each.result.step for each in evaluations], axis)
    for place, shares in enumerate(digit_shares(evaluations).T, start=1):
        yield f"digit {place}", x, shares


def _removed(source: Source, axis: Axis) -> Lines:
    """Stairs: the number of removed tokens from the step on at which it changed."""
    history = source.history
    if history.removals:
        most = history.summary.greatest_stage
        steps = np.array([span.step for span in history.spans])
        ends = np.append(steps[1:], history.summary.metrics.step)
        stages = np.minimum(
            [span.stage for span in history.spans], np.inf if most is None else most
        )
        x = along(history, np.column_stack([steps, ends]).ravel(), axis)
        yield "", x, np.repeat(stages, 2)


def _gradient_norms(source: Source, axis: Axis) -> Lines:
    table = read_steps(source.folder)
    yield "", *of_present_training(source.history, axis, table.steps, table.gradient_norms)


def _learning_rates(source: Source, axis: Axis) -> Lines:
    table = read_steps(source.folder)
    yield "", *of_present_training(source.history, axis, table.steps, table.learning_rates)


def _spikes(source: Source, axis: Axis) -> Lines:
    """Heights above the loss before; of open spikes, as far as they are known."""
    spikes = source.history.summary.metrics.spikes
    heights = [
        spike.loss - spike.baseline
        if spike.height is None and spike.loss is not None and spike.baseline is not None
        else spike.height
        for spike in spikes
    ]
    x = along(source.history, [spike.step for spike in spikes], axis)
    yield "", x, np.array(heights, dtype=np.float64)


KINDS: dict[Quantity, _Kind] = {
    "loss": _Kind(lines=_losses, label="loss", lacks="has trained no step yet", smooth=True),
    "parts": _Kind(
        lines=_parts, label="parts of the loss", lacks="has no loss of several parts", smooth=True
    ),
    "accuracy": _Kind(
        lines=_accuracy,
        label="exact match",
        lacks="was not evaluated yet",
        percent=True,
        points=True,
    ),
    "digits": _Kind(
        lines=_digits,
        label="digits right",
        lacks="was not evaluated yet",
        percent=True,
        points=True,
    ),
    "removed": _Kind(lines=_removed, label="removed", lacks="has removed nothing"),
    "grad-norm": _Kind(
        lines=_gradient_norms, label="gradient norm", lacks="has trained no step yet", smooth=True
    ),
    "lr": _Kind(lines=_learning_rates, label="learning rate", lacks="has trained no step yet"),
    "spikes": _Kind(
        lines=_spikes, label="height of loss spikes", lacks="had no loss spike", points=True
    ),
}
