"""What a study's figure shows, as plain numbers for any renderer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from icot_tui.curriculum.schedule import offset_distribution
from icot_tui.formatting import plain
from icot_tui.studies.collect import CHECKPOINT, Collected
from icot_tui.studies.measures import MEASURES
from icot_tui.studies.outcome import Outcome
from icot_tui.studies.plan import Plan
from icot_tui.studies.spec import PlotConfig
from icot_tui.studies.table import Estimate, Table

OFFSETS_SHOWN = 6


@dataclass(frozen=True)
class Series:
    """Points of one name; `spread` is half of the 95 % interval of each, 0 where there is none.

    Series of the same colour belong together: they are seeds of the same thing.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...] = ()
    colour: int = 0


@dataclass(frozen=True)
class Drawing:
    """A whole figure; `ticks` are labels of whole x values."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    joined: bool
    bars: bool = False
    ticks: tuple[str, ...] = ()


X_LABELS = {
    "removed": "tokens removed",
    "step": "optimizer steps",
    "seconds": "seconds of training",
}


def make_drawing(plan: Plan, collected: Collected, table: Table) -> Drawing | None:
    """The study's figure; None where it has none, or nothing to show yet."""
    plot = plan.study.config.plot
    if plot is None:
        return None
    title = plain(plan.study.config.title)
    match plot.kind:
        case "curves":
            series = tuple(_curves(plan, collected, plot))
            drawing = Drawing(title, X_LABELS.get(plot.x, plot.x), "exact match", series, True)
        case "points":
            series = tuple(_points(table, plot))
            x_label = MEASURES[plot.x].title if plot.x in MEASURES else plot.x
            drawing = Drawing(title, x_label, MEASURES[plot.y].title, series, True)
        case "bars":
            drawing = _bars(title, table, plot)
        case "offsets":
            series = tuple(_offsets(plan))
            drawing = Drawing(title, "further tokens removed (o)", "probability", series, True)
    return drawing if drawing.series else None


def _curves(plan: Plan, collected: Collected, plot: PlotConfig) -> Iterator[Series]:
    """A line for each run; over removed tokens, as good as it was when it left each stage."""
    colours: dict[str, int] = {}
    several = len({trial.labels for trial in plan.trials}) > 1
    for trial in plan.trials:
        outcome = collected.outcomes.get(trial.name)
        if outcome is None or not outcome.points:
            continue
        points = [(_x(outcome, number, plot.x), p) for number, p in enumerate(outcome.points)]
        if plot.x == "removed":
            points = sorted(dict(points).items())
        name = ", ".join(value for _, value in trial.labels) if several else f"seed {trial.seed}"
        colour = colours.setdefault(name, len(colours))
        y = tuple(point.exact_match for _, point in points)
        yield Series(name, tuple(x for x, _ in points), y, colour=colour)


def _x(outcome: Outcome, number: int, axis: str) -> float:
    point = outcome.points[number]
    if axis == "removed":
        return float(point.removed)
    return float(point.step) if axis == "step" else point.seconds


def _points(table: Table, plot: PlotConfig) -> Iterator[Series]:
    """A series for each combination of values; a run's checkpoints are joined."""
    series: dict[str, list[tuple[float, float, float]]] = {}
    for group in table.groups:
        name = ", ".join(value for axis, value in group.labels if axis != CHECKPOINT) or "all"
        values: dict[str, Estimate | None] = {str(key): one for key, one in group.values.items()}
        x, y = values.get(plot.x), values.get(plot.y)
        if x is not None and y is not None:
            series.setdefault(name, []).append((x.mean, y.mean, y.half or 0.0))
    for colour, (name, points) in enumerate(series.items()):
        xs, ys, halves = zip(*sorted(points), strict=True)
        yield Series(name, xs, ys, halves, colour)


def _bars(title: str, table: Table, plot: PlotConfig) -> Drawing:
    """Bars side by side: the last axis gives their places, the others their series."""
    known = [(group, group.values.get(plot.y)) for group in table.groups]
    places = list(dict.fromkeys(_last(group.labels) for group, value in known if value))
    series: dict[str, dict[int, tuple[float, float]]] = {}
    for group, value in known:
        if value is not None:
            name = ", ".join(label for _, label in group.labels[:-1])
            at = places.index(_last(group.labels))
            series.setdefault(name, {})[at] = value.mean, value.half or 0.0
    made = tuple(
        Series(
            name,
            tuple(map(float, at)),
            tuple(mean for mean, _ in at.values()),
            tuple(half for _, half in at.values()),
            colour,
        )
        for colour, (name, at) in enumerate(series.items())
    )
    axis = table.groups[0].labels[-1][0] if table.groups and table.groups[0].labels else ""
    return Drawing(
        title=title,
        x_label=axis,
        y_label=MEASURES[plot.y].title,
        series=made,
        joined=False,
        bars=True,
        ticks=tuple(places),
    )


def _last(labels: Sequence[tuple[str, str]]) -> str:
    return labels[-1][1] if labels else ""


def _offsets(plan: Plan) -> Iterator[Series]:
    seen: dict[float, None] = {}
    for trial in plan.trials:
        strength = trial.config.curriculum.smoothing
        if strength not in seen:
            seen[strength] = None
            shown = offset_distribution(strength)[:OFFSETS_SHOWN]
            name = "off" if np.isinf(strength) else f"λ = {strength:g}"
            x = tuple(map(float, range(OFFSETS_SHOWN)))
            yield Series(name, x, tuple(shown.tolist()), colour=len(seen) - 1)
