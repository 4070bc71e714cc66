"""The line at the top: which run, what it does, how far it is."""

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from icot_tui.formatting import count, duration, number, percent, rough
from icot_tui.plain import plain
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
WORDS = {"dead": "dead: it stopped writing without an end", "stalled": "stalled"}
ROOM_FOR_MODE = 70
AT_LEAST = 3
"""Parts that come before the mode: the run, its status, how far it is."""
QUIET = 20.0
"""Seconds of silence that are worth a word."""


class Header(Static):
    """Draws itself again only when its words change."""

    DEFAULT_CSS = """
    Header {
        height: 1;
        background: $panel;
        color: $foreground;
        padding: 0 1;
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._drawn: tuple[object, ...] = ()

    def begin(self, name: str) -> None:
        """Say which run it is, before anything is known of it."""
        self.update(Content.styled(plain(name), "bold $primary"))

    def show(self, view: RunView, mode: str) -> None:
        """Draw this moment of the run; `mode` says what one may do to it."""
        width = self.size.width
        mode = mode if width >= ROOM_FOR_MODE else ""
        between = " | " if view.ascii else " · "
        left, mode = beside(parts(view), mode, width - 2, between)
        if (left, mode, width) == self._drawn:
            return
        self._drawn = (left, mode, width)
        dotted: list[Part] = []
        for at, part in enumerate(left):
            dotted += [(between, "dim")] * (at > 0) + [part]
        used = sum(cell_len(text) for text, _ in dotted)
        gap = " " * max(1, width - used - cell_len(mode))
        # Its size stays; a new layout of the screen would cost as much as the rest of a redraw.
        self.update(Content.assemble(*dotted, (gap, ""), (mode, "dim")), layout=False)


def parts(view: RunView) -> list[Part]:
    """What is to be told, the most important first."""
    from icot_tui.tui.panels.methods import where  # takes long; the first frame goes without

    summary = view.history.summary
    metrics = summary.metrics
    name = view.source.folder.name  # a config's name may be that of several runs
    status = WORDS.get(view.status, str(view.status))
    told: list[Part] = [(plain(name), "bold $primary"), (status, f"bold {COLOURS[view.status]}")]
    if not view.source.caught_up:
        told.append((f"reading the journal, {view.source.progress:.0%}", "$secondary"))
    if view.study:
        told.append((view.study, "$secondary"))
    if view.phase is not None:
        told.append((view.phase, "$secondary"))
    if summary.facts is None:
        return told
    told.append((plain(where(summary)), ""))
    silence = view.source.silence(view.now)
    if view.status == "training" and silence is not None and silence > QUIET:
        told.append((f"no news for {duration(silence // 10 * 10)}", "$warning"))
    spike = next((spike for spike in reversed(metrics.spikes[-8:]) if spike.open), None)
    if spike is not None and view.status in ("training", "paused"):
        what = "collapsed" if spike.collapsed else "recovering"
        since = count(max(0, metrics.step - spike.step), "step")
        told.append((f"{what} since {since}", "$error" if spike.collapsed else "$warning"))
    evaluations = view.history.evaluations
    if evaluations:
        told.append((f"exact match {percent(evaluations[-1].result.exact_match)}", ""))
    told.append((f"step {metrics.step:,}", ""))
    pace, left = summary.steps_per_second, summary.seconds_left()
    if view.status == "training" and pace is not None:
        told.append((f"{number(pace)} steps/s", ""))
    if left is not None and view.status == "training":
        told.append((f"about {rough(left)} left", ""))
    return told


def beside(told: list[Part], mode: str, width: int, between: str) -> tuple[tuple[Part, ...], str]:
    """The parts that fit, and as much of the mode as leaves room for the most important ones."""
    wanted = min(AT_LEAST, len(told))
    for shorter in (mode, mode.partition(",")[0]):
        left = fitting(told, width - cell_len(shorter), between)
        if len(left) >= wanted:
            return left, shorter
    return fitting(told, width, between), ""


def fitting(told: list[Part], width: int, between: str) -> tuple[Part, ...]:
    """As many of the parts as there is room for."""
    kept: list[Part] = []
    used = 0
    for text, style in told:
        used += cell_len(text) + (len(between) if kept else 0)
        if used > width and kept:
            break
        kept.append((text, style))
    return tuple(kept)
