"""The line at the top: the run, its status and its progress."""

from collections.abc import Iterator
from itertools import accumulate, starmap

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from icot_tui.formatting import age, count, duration, number, percent, plain, whole_share
from icot_tui.tui.run.view import RunView

Part = tuple[str, str]
COLOURS = {
    "starting": "$secondary",
    "training": "$success",
    "paused": "$warning",
    "stalled": "$error",
    "finished": "$success",
    "stopped": "$warning",
    "dead": "$error",
    "to come": "$foreground 70%",
}
ROOM_FOR_MODE = 70
AT_LEAST = 3
"""Parts that matter more than the mode: the run, its status, its progress."""
QUIET_SECONDS = 20.0
"""After so long without an event the header says so."""


class Header(Static):
    """Redraws only when its text changes."""

    DEFAULT_CSS = """
    Header { height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._drawn: tuple[object, ...] = ()

    def begin(self, name: str) -> None:
        self.update(Content.styled(plain(name), "bold $primary"))

    def show(self, view: RunView, mode: str) -> None:
        """Show this moment of the run; `mode` says what the user may do to it."""
        width = self.size.width
        mode = mode if width >= ROOM_FOR_MODE else ""
        between = " | " if view.ascii else " · "
        left, mode = fit_parts(list(header_parts(view)), mode, width - 2, between)
        if (left, mode, width) == self._drawn:
            return
        self._drawn = (left, mode, width)
        text = Content.styled(between, "dim").join(starmap(Content.styled, left))
        gap = " " * max(1, width - text.cell_length - cell_len(mode))
        # Its size stays; a new layout of the screen would cost as much as the rest of a redraw.
        self.update(Content.assemble(text, gap, (mode, "dim")), layout=False)


def header_parts(view: RunView) -> Iterator[Part]:
    """All parts of the header, the most important first."""
    from icot_tui.tui.panels.methods import progress_text  # slow: not for the first frame

    summary, metrics = view.history.summary, view.history.summary.metrics
    name = view.source.folder.name  # several runs may share their config's name
    silence = view.source.silence(view.now)
    status = str(view.status)
    if view.status == "dead" and silence is not None:
        status = f"trainer gone, last heard {age(silence)}"
    yield plain(name), "bold $primary"
    yield status, f"bold {COLOURS[view.status]}"
    if not view.source.caught_up:
        yield f"reading the journal, {whole_share(view.source.progress)}", "$secondary"
    yield from ((text, "$secondary") for text in (view.study, view.phase) if text)
    if summary.facts is None:
        return
    yield plain(progress_text(summary)), ""
    if view.status == "training" and silence is not None and silence > QUIET_SECONDS:
        yield f"no events for {duration(silence // 10 * 10)}", "$warning"
    spike = next((spike for spike in reversed(metrics.spikes[-8:]) if spike.open), None)
    if spike is not None and view.status in ("training", "paused"):
        what = "collapsed" if spike.collapsed else "recovering"
        steps = count(max(0, metrics.step - spike.step), "step")
        yield f"{what} for {steps}", "$error" if spike.collapsed else "$warning"
    if metrics.held and view.status in ("training", "paused"):
        yield f"held at stage {metrics.stage}", "$warning"
    evaluations = view.history.evaluations
    if metrics.abandoned:
        yield "not evaluated since the rollback", "$warning"
    elif evaluations:
        yield f"exact match {percent(evaluations[-1].result.exact_match)}", ""
    yield f"step {metrics.step:,}", ""
    if evaluations and (stage := evaluations[-1].result.stage) != metrics.stage:
        yield f"evaluated at stage {stage}", ""
    if view.status != "training":
        return
    if (pace := summary.steps_per_second) is not None:
        yield f"{number(pace)} steps/s", ""
    if view.time_left:
        yield f"{view.time_left} left", ""


def fit_parts(
    parts: list[Part], mode: str, width: int, between: str
) -> tuple[tuple[Part, ...], str]:
    """The parts that fit, and as much of the mode as leaves room for the most important ones."""
    wanted = min(AT_LEAST, len(parts))
    for shorter in (mode, mode.partition(",")[0]):
        fitting = _fitting(parts, width - cell_len(shorter), between)
        if len(fitting) >= wanted:
            return fitting, shorter
    return _fitting(parts, width, between), ""


def _fitting(parts: list[Part], width: int, between: str) -> tuple[Part, ...]:
    """As many of the parts as fit; the first one always."""
    ends = accumulate(cell_len(text) + len(between) for text, _ in parts)
    fitting = sum(end - len(between) <= width for end in ends)
    return tuple(parts[: max(1, fitting)])
