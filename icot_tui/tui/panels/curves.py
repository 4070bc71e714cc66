"""What all charts of a run share: curves, marks, axis, version."""

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.summary import Evaluation
from icot_tui.formatting import count, plain
from icot_tui.tui.chart.data import Mark, MarkKind
from icot_tui.tui.run.view import Axis, RunView
from icot_tui.units import UNIT_WORDS
from icot_tui.watch.history import History
from icot_tui.watch.series import StepSeries

Floats = NDArray[np.float64]
Steps = Sequence[int] | NDArray[np.int64]
ALL_DRAWN = 50_000
"""Up to so many steps the chart gets the whole run."""
FINE, ROUGH = 4096, 512
"""Columns of the visible part of a longer run, and of the rest on either side."""
GRAINS = 16
LOOKED_UP = 4096
"""Steps that are looked up to find a part of the axis."""
LOGGED_MARKS: dict[str, MarkKind] = {"PhaseBegan": "training", "RolledBack": "rollback"}
"""Kinds of log lines that are marked."""


def version(view: RunView) -> Hashable:
    """Changes whenever the charts' data may differ."""
    others = tuple(
        (overlay.name, overlay.colour_index, overlay.source.history.version)
        for overlay in view.overlays
    )
    return id(view.source), view.history.version, view.axis, others


def along(history: History, steps: Steps, axis: Axis) -> Floats:
    """The positions of these steps on the axis; times in hours."""
    places = history.along(np.asarray(steps, dtype=np.int64), axis)
    return places / 3600 if axis == "time" else places


def losses(history: History, axis: Axis, window: tuple[float, float] | None) -> tuple[Floats, Any]:
    """(x, loss) of a run; of a long one only as much as is visible.

    Of several trainings only the present one's: the others have other losses. `window` is the
    visible part of the axis; None is all of it.
    """
    steps, values = points_of(history.losses, history, axis, window)
    return of_present_training(history, axis, steps, values)


def loss_parts(history: History, axis: Axis) -> Iterator[tuple[str, Floats, Floats]]:
    """(name, x, mean over a few steps) of each part of the present training's loss.

    None where it is of one part.
    """
    steps = history.lines.steps.astype(np.int64)
    for name, means in history.lines.parts.items():
        x, values = of_present_training(history, axis, steps, means.copy())
        if np.isfinite(values).any():
            yield name, x, values


def points_of(
    series: StepSeries, history: History, axis: Axis, window: tuple[float, float] | None
) -> tuple[NDArray[np.int64], Any]:
    """(steps, values); of a long series only as much as is visible."""
    if len(series) <= ALL_DRAWN:
        steps, values = series.steps(), series.values().copy()
    else:
        first, last = series.first_step or 0, series.last_step or 0
        low, high = (first, last) if window is None else _steps_in(history, axis, window)
        parts = [
            series.window(first, low - 1, ROUGH),
            series.window(low, high, FINE),
            series.window(high + 1, last, ROUGH),
        ]
        steps = np.concatenate([steps for steps, _ in parts])
        values = np.concatenate([values for _, values in parts])
    return steps, values


def of_present_training(
    history: History, axis: Axis, steps: NDArray[np.int64], values: Any
) -> tuple[Floats, Any]:
    """(x, values) of these steps, without those of earlier trainings and of what was undone."""
    phase = history.summary.metrics.phase
    if phase is not None:
        steps, values = steps[steps > phase.step], values[steps > phase.step]
    return standing(history, axis, steps, values)


def standing(
    history: History, axis: Axis, steps: NDArray[np.int64], values: Any
) -> tuple[Floats, Any]:
    """The points without those of removals that were rolled back, which would overlap others."""
    x = along(history, steps, axis)
    if axis != "removed":
        return x, values
    stands = np.ones(len(x), dtype=np.bool_)
    for back in rollback_steps(history):
        stands &= (steps > back) | (x <= along(history, [back + 1], axis)[0])
    return x[stands], values[stands]


def rollback_steps(history: History) -> list[int]:
    """Steps at which the run was rolled back."""
    if not history.summary.metrics.rollbacks:
        return []
    return [entry.step for entry in history.log if entry.kind == "RolledBack"]


def _steps_in(history: History, axis: Axis, window: tuple[float, float]) -> tuple[int, int]:
    """First and last step of a part of the axis, and a little more at both ends."""
    first, last = history.losses.first_step or 0, history.losses.last_step or 0
    known = np.linspace(first, last, LOOKED_UP).astype(np.int64)
    places = np.maximum.accumulate(along(history, known, axis))
    low = known[max(0, int(np.searchsorted(places, window[0])) - 1)]
    high = known[min(LOOKED_UP - 1, int(np.searchsorted(places, window[1], side="right")))]
    return int(low), int(high)


def x_span(view: RunView, zoomed: bool) -> tuple[float, float] | None:
    """First and last position that the charts of a run share, those of its overlays included.

    While it trains, the end is rounded up by at most 1/16 of the range: so charts stand still for
    many steps, and all have a removal in the same column. Not if they are zoomed: what they show
    may be shorter. None for runs of several trainings, whose charts show different ones.
    """
    ends = []
    for history in (view.history, *(overlay.source.history for overlay in view.overlays)):
        if history.summary.metrics.phase is not None:
            return None
        first, last = history.losses.first_step, history.summary.metrics.step
        if first is not None:
            ends += along(history, [first - 1, max(first, last)], view.axis).tolist()
    if not ends:
        return None
    begin, end = min(ends), max(ends)
    if view.running and not zoomed and end > begin:
        grain = 2.0 ** math.floor(math.log2(end - begin)) / GRAINS
        end = begin + math.ceil((end - begin) / grain) * grain
    return begin, end


def axis_label(history: History, axis: Axis) -> str:
    """Of the x axis."""
    removed = f"removed {history.summary.unit_word}s"
    return {"step": "step", "time": "hours", "removed": removed}[axis]


def marks(history: History, axis: Axis) -> tuple[Mark, ...]:
    """Removals, resets, spikes and the like of a run."""
    found = sorted(_marked_steps(history), key=lambda each: each[0])
    places = along(history, [step for step, _, _ in found], axis).tolist()
    return tuple(Mark(x, kind, label) for x, (_, kind, label) in zip(places, found, strict=True))


def _marked_steps(history: History) -> Iterator[tuple[int, MarkKind, str]]:
    """(step, kind, label) of each."""
    for removal in history.removals:
        gone = "everything" if removal.everything else f"{UNIT_WORDS[removal.unit]} {removal.stage}"
        yield removal.step, "removal", f"{gone} removed"
    removed = {removal.step for removal in history.removals}
    for reset in history.resets:
        if reset.step not in removed:  # a removal implies its own reset
            yield reset.step, "reset", f"optimizer reset, {plain(reset.cause)}"
    metrics = history.summary.metrics
    for spike in metrics.spikes:
        kind: MarkKind = "collapse" if spike.collapsed else "spike"
        after = "" if spike.removal is None else f" after removal {spike.removal}"
        lasted = "" if spike.steps is None else f", {count(spike.steps, 'step')}"
        yield spike.step, kind, f"{kind}{after}{lasted}"
    for entry in history.log if metrics.phase is not None or metrics.rollbacks else ():
        if entry.kind in LOGGED_MARKS:
            yield entry.step, LOGGED_MARKS[entry.kind], plain(entry.text)


def exact_match(
    history: History, axis: Axis, evaluations: Sequence[Evaluation] | None = None
) -> tuple[Floats, Floats]:
    """(x, exact match) of these evaluations, by default the present training's."""
    evaluations = history.evaluations if evaluations is None else evaluations
    shares = np.array([each.result.exact_match for each in evaluations], dtype=np.float64)
    steps = np.array([each.result.step for each in evaluations], dtype=np.int64)
    return standing(history, axis, steps, shares)


def digit_shares(evaluations: Sequence[Evaluation]) -> Floats:
    """[evaluations, answer tokens] accuracy of each token, without the closing separator."""
    rows = [each.result.token_accuracy[:-1] for each in evaluations]
    table = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for at, row in enumerate(rows):
        table[at, : len(row)] = [np.nan if share is None else share for share in row]
    return table
