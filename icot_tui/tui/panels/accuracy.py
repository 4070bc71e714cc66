"""Accuracy on held-out examples: exact match, digits, and levels to compare with."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from textual.app import ComposeResult

from icot_tui.config import RunConfig
from icot_tui.engine.journal.summary import Evaluation, Metrics
from icot_tui.engine.journal.wording import how_best
from icot_tui.formatting import count, listed, percent
from icot_tui.tui.chart.data import ChartData, Curve
from icot_tui.tui.chart.widget import Chart
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.curves import (
    Floats,
    axis_label,
    digit_shares,
    exact_match,
    marks,
    standing,
    x_span,
)
from icot_tui.tui.panels.digit_table import digit_table
from icot_tui.tui.panels.example import lowest_first, task_of
from icot_tui.tui.panels.methods import name_of
from icot_tui.tui.panels.text import (
    EMPTY,
    Line,
    Piece,
    cells,
    first_fitting,
    level,
    line,
    paragraph,
    wrap,
)
from icot_tui.tui.run.view import Overlay, RunView

EMPTY_TEXT = "Accuracy on held-out examples appears here with the first evaluation"
WORDS_ONLY = 6
"""With fewer rows there is no chart."""
ROOM_FOR_OVERLAYS = 9
"""Rows from which on there is a line about the runs that are overlaid."""
BASELINES = {"No CoT": "No CoT", "Explicit CoT": "explicit CoT"}
"""Methods that are drawn as one level to compare with, and the level's name."""
EARLIER_COLOURS = ("secondary", "accent", "success")
"""Colours of the trainings before the present one; no other run has them."""
FELL = 0.1
"""A digit has fallen if it is right less often than it was at best by more than this share."""
HOLDS = 0.95
BESIDE = 5
"""Cells for the labels of values: as many as beside the loss, so that removals are aligned."""
COMPARED = 50
"""Evaluations that the latest one is compared with."""


class AccuracyPanel(TextPanel):
    """A chart of exact match or of every digit, and the latest evaluation in words."""

    label = "accuracy"
    DEFAULT_CSS = """
    AccuracyPanel > Lines { height: auto; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chart: Chart = Chart()
        self.chart.margin = BESIDE
        self.lines.can_focus = False
        self.per_digit = False

    def compose(self) -> ComposeResult:
        yield self.chart
        yield self.lines

    def toggle_digits(self) -> None:
        self.per_digit = not self.per_digit
        if self._view is not None:
            self.show_safely(self._view)

    def key(self, view: RunView) -> Hashable:
        return _version(view, self._zoomed), self.per_digit, view.phase

    @property
    def _zoomed(self) -> bool:
        return self.chart.viewport.window is not None

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        words = accuracy_lines(view, area)
        evaluated = bool(view.history.summary.metrics.evaluations) or bool(view.overlays)
        self.chart.display = area.height >= WORDS_ONLY or not evaluated
        self.chart.ascii = area.ascii
        self.chart.show(accuracy_data(view, self.per_digit, self._zoomed))
        self.lines.display = evaluated
        table = digit_table(view, area) if area.full and evaluated else []
        words += [EMPTY, *table] if table else []
        self.lines.styles.height = min(len(words), area.height // 2 if table else area.height)
        return words


def _version(view: RunView, zoomed: bool) -> Hashable:
    """Changes with evaluations, with marks, and with the range of the axis."""
    overlays = tuple(
        (other.name, other.colour_index, len(other.source.history.summary.metrics.evaluations))
        for other in view.overlays
    )
    history, metrics = view.history, view.history.summary.metrics
    happened = (
        *(len(history.removals), len(history.trainings), len(metrics.spikes)),
        *(metrics.rollbacks, metrics.abandoned),
    )
    last, span = metrics.evaluation, x_span(view, zoomed)
    return id(view.source), len(metrics.evaluations), last, view.axis, overlays, happened, span


def accuracy_data(view: RunView, per_digit: bool, zoomed: bool = False) -> ChartData:
    """The run's accuracy, that of the runs beside it, and levels to compare with."""
    curves = list(_digit_curves(view)) if per_digit else []
    if not curves:
        curves = _own_curves(view)
    if not per_digit:
        for overlay in view.overlays:
            if _baseline(overlay) is None:
                points = exact_match(overlay.source.history, view.axis)
                curves.append(_curve(overlay.name, points, f"series{overlay.colour_index}"))
    happened = marks(view.history, view.axis)
    since, until = x_span(view, zoomed) or (None, max((mark.x for mark in happened), default=None))
    return ChartData(
        curves=tuple(curves),
        marks=happened,
        since=since,
        until=until,
        x_label=axis_label(view.history, view.axis),
        y_label="digits right" if per_digit else "exact match",
        version=(_version(view, zoomed), per_digit, view.phase),
        empty=_empty(view),
        percent=True,
        levels=tuple(_levels(view)),
    )


def _empty(view: RunView) -> str:
    if view.phase:
        return f"{EMPTY_TEXT}. Getting ready: {view.phase}."
    config = view.history.summary.config
    every = config.evaluation.every_steps if config is not None else None
    return EMPTY_TEXT + (f", every {count(every, 'step')}." if every else ".")


def _own_curves(view: RunView) -> list[Curve]:
    """One curve; one for each training of a run with several, as each measures something else."""
    history, axis = view.history, view.axis
    if not history.trainings:
        return [_curve(view.source.folder.name, exact_match(history, axis), "primary")]
    curves, last = [], len(history.trainings) - 1
    for at, training in enumerate(history.trainings):
        points = exact_match(history, axis, history.evaluations_of(at))
        colour = EARLIER_COLOURS[at % len(EARLIER_COLOURS)] if at < last else "primary"
        curves.append(_curve(name_of(training.began.phase), points, colour))
    return curves


def _digit_curves(view: RunView) -> Iterator[Curve]:
    evaluations = view.history.evaluations
    steps = np.array([each.result.step for each in evaluations], dtype=np.int64)
    x, table = standing(view.history, view.axis, steps, digit_shares(evaluations))
    backwards = lowest_first(task_of(view.history.summary.config))
    for at, shares in enumerate(table.T):
        name = f"digit {at + 1}" + " (ones)" * (backwards and at == 0)
        yield _curve(name, (x, np.ascontiguousarray(shares)), f"series{at % 8}")


def _curve(name: str, points: tuple[Floats, Floats], colour: str) -> Curve:
    return Curve(name, *points, colour, smooth=False, points=True)


def _baseline(overlay: Overlay) -> str | None:
    facts = overlay.source.history.summary.facts
    return None if facts is None else BASELINES.get(facts.method)


def _levels(view: RunView) -> Iterator[tuple[float, str]]:
    metrics = view.history.summary.metrics
    is_only = len(view.history.trainings) < 2  # a level runs across all trainings
    if metrics.best is not None and metrics.best_so_far[0] and is_only:
        yield metrics.best, f"best, {how_best(metrics)}"
    for overlay in view.overlays:
        name, best = _baseline(overlay), overlay.source.history.summary.metrics.best
        if name is not None and best is not None:
            yield best, f"{name} {percent(best)}"


def accuracy_lines(view: RunView, area: Area) -> list[Line]:
    """Exact match with its interval, the best so far, and the digits."""
    metrics, evaluations = view.history.summary.metrics, view.history.evaluations
    if not evaluations:
        return paragraph(_empty(view), area.width, "dim")
    last = evaluations[-1].result
    if metrics.abandoned:
        head = line(("before the rollback: ", "warning"), (percent(last.exact_match), "dim"))
    else:
        head = line(("exact match ", "dim"), (percent(last.exact_match), "bold primary"))
    low, high = percent(last.low), percent(last.high)
    for extra in (f", {low} to {high} (95 % interval)", f", {count(last.examples, 'example')}"):
        if cells(head) + len(extra) <= area.width:
            head = (*head, (extra, ""))
    lines = [area.cut(head)]
    digits = digits_line(evaluations, view.history.summary.config, area)
    best = _best(metrics, area)
    if best and area.height >= 2:
        joint = cells(head) + len(best) + 2 <= area.width
        lines = [(*lines[0], (f", {best}", ""))] if joint else [*lines, line(best)]
    if view.overlays and area.height >= ROOM_FOR_OVERLAYS:
        overlaid = _overlaid(view.overlays)
        lines += wrap(overlaid, area.width, hang=9) if area.full else [area.cut(overlaid)]
    if digits:
        lines.append(digits)
    return [area.cut(each) for each in lines[: max(1, area.height)]]


def _overlaid(overlays: Sequence[Overlay]) -> Line:
    """`overlaid demo 93.0 %, other none yet`: the last evaluation of each."""
    told = []
    for overlay in overlays:
        last = overlay.source.history.summary.metrics.evaluation
        told.append(f"{overlay.name} {'none yet' if last is None else percent(last.exact_match)}")
    return line(("overlaid ", "dim"), ", ".join(told))


def _best(metrics: Metrics, area: Area) -> str:
    if metrics.best is None:
        return ""
    short = f"best so far {percent(metrics.best)}"
    return first_fitting(area.width, f"{short}, {how_best(metrics)}", short)


def digits_line(evaluations: Sequence[Evaluation], config: RunConfig | None, area: Area) -> Line:
    """`digits  1 ▇  2 ▃↓  3 ▅`, the fallen ones marked; without the numbers where it is narrow."""
    table = digit_shares(evaluations[-COMPARED:])
    if not table.size:
        return ()
    now = np.nan_to_num(table[-1])
    fell = (np.nan_to_num(np.fmax.reduce(table, axis=0)) - now > FELL).tolist()
    task = task_of(config)
    what = "digits" if task else "answer tokens"
    what += " %" if area.ascii else ""
    order = ", ones first" if lowest_first(task) else ""
    down, gap = area.glyph.down, " " if area.ascii else ""
    roomy: list[Piece] = []
    narrow: list[Piece] = []
    for at, (share, has_fallen) in enumerate(zip(now.tolist(), fell, strict=True), start=1):
        style = "bold error" if has_fallen else "success" if share >= HOLDS else ""
        bar = level(share, area.glyph)
        roomy += [(f" {at} ", "dim"), (bar + down * has_fallen, style)]
        narrow.append((bar + gap, style))
    for heading in (f"{what}{order} ", f"{what} "):
        if len(heading) + cells(tuple(roomy)) <= area.width:
            return ((heading, "dim"), *roomy)
    fallen = listed([str(at) for at, has_fallen in enumerate(fell, start=1) if has_fallen])
    bars = line(*narrow, (f" {down} {fallen}" if fallen else "", "error"))
    named = (*line(f"{what} "), *bars)
    return area.cut(named if cells(named) <= area.width else bars)
