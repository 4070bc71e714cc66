"""A study's figure as plain numbers, and as SVG and PNG files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from icot_tui.curriculum.smoothing import offset_distribution
from icot_tui.errors import UserError
from icot_tui.formatting import plain
from icot_tui.studies.collect import CHECKPOINT, Collected
from icot_tui.studies.exporting import writing
from icot_tui.studies.measures import MEASURES
from icot_tui.studies.plan import Plan
from icot_tui.studies.spec import PlotConfig
from icot_tui.studies.table import Estimate, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OFFSETS_SHOWN = 6
X_LABELS = {
    "removed": "tokens removed",
    "step": "optimizer steps",
    "seconds": "seconds of training",
}
MISSING = "figures need matplotlib: pip install 'icot-tui[studies]'"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222222")
"""Paul Tol's bright colours, distinguishable for colour-blind readers, and black."""
MARKERS = "osD^vPX*"


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
        points = [(float(getattr(p, plot.x, p.seconds)), p) for p in outcome.points]
        if plot.x == "removed":
            points = sorted(dict(points).items())
        name = ", ".join(value for _, value in trial.labels) if several else f"seed {trial.seed}"
        colour = colours.setdefault(name, len(colours))
        y = tuple(point.exact_match for _, point in points)
        yield Series(name, tuple(x for x, _ in points), y, colour=colour)


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
    places: dict[str, int] = {}
    series: dict[str, dict[int, tuple[float, float]]] = {}
    for group in table.groups:
        if (value := group.values.get(plot.y)) is not None:
            *others, last = [label for _, label in group.labels] or [""]
            at = places.setdefault(last, len(places))
            series.setdefault(", ".join(others), {})[at] = value.mean, value.half or 0.0
    made = []
    for colour, (name, values) in enumerate(series.items()):
        means, halves = zip(*values.values(), strict=True)
        made.append(Series(name, tuple(map(float, values)), means, halves, colour))
    axis = table.groups[0].labels[-1][0] if table.groups and table.groups[0].labels else ""
    return Drawing(
        title=title,
        x_label=axis,
        y_label=MEASURES[plot.y].title,
        series=tuple(made),
        joined=False,
        bars=True,
        ticks=tuple(places),
    )


def _offsets(plan: Plan) -> Iterator[Series]:
    strengths = dict.fromkeys(trial.config.curriculum.smoothing for trial in plan.trials)
    for colour, strength in enumerate(strengths):
        shown = offset_distribution(strength)[:OFFSETS_SHOWN]
        name = "off" if np.isinf(strength) else f"λ = {strength:g}"
        x = tuple(map(float, range(OFFSETS_SHOWN)))
        yield Series(name, x, tuple(shown.tolist()), colour=colour)


def write_figures(drawing: Drawing, folder: Path) -> list[Path]:
    """figure.svg and figure.png.

    Raises:
        UserError: matplotlib is not installed, or the files can't be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(MISSING, 1) from error
    # Text stays text, `$` and `_` start no formula, and equal numbers give equal files.
    with rc_context({"svg.fonttype": "none", "text.parse_math": False, "svg.hashsalt": "icot-tui"}):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.add_subplot()
        _fill(axes, drawing)
        written = []
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            path = folder / f"figure.{kind}"
            with writing(path) as beside:
                figure.savefig(beside, format=kind, dpi=160, metadata=metadata)
            written.append(path)
    return written


def _fill(axes: "Axes", drawing: Drawing) -> None:
    axes.set_title(drawing.title)
    axes.set_xlabel(drawing.x_label)
    axes.set_ylabel(drawing.y_label)
    count = len(drawing.series)
    named: set[str] = set()
    for number, series in enumerate(drawing.series):
        colour = COLOURS[series.colour % len(COLOURS)]
        label = None if series.name in named else series.name
        named.add(series.name)
        spread = series.spread if any(series.spread) else None
        if drawing.bars:
            width = 0.8 / count
            x = [place - 0.4 + width * (number + 0.5) for place in series.x]
            axes.bar(x, series.y, width, yerr=spread, color=colour, label=label, capsize=3)
        else:
            axes.errorbar(
                series.x,
                series.y,
                yerr=spread,
                color=colour,
                label=label,
                marker=MARKERS[series.colour % len(MARKERS)],
                markersize=4,
                linestyle="-" if drawing.joined else "none",
                linewidth=1.2,
                capsize=3,
            )
    if drawing.ticks:
        axes.set_xticks(range(len(drawing.ticks)), drawing.ticks)
    highest = max((y for series in drawing.series for y in series.y), default=0)
    axes.set_ylim(bottom=0, top=1.03 if 0.5 < highest <= 1 else None)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if any(named):
        axes.legend(fontsize="small", frameon=False)
