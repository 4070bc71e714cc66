"""Every event in plain words, and what native code printed; with a filter."""

from collections.abc import Iterable

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from icot_tui.formatting import clock
from icot_tui.tui.panels.base import TextPanel
from icot_tui.tui.panels.log_feed import MOST_ENTRIES, OUTPUT, LogFeed
from icot_tui.tui.panels.text import Line, line, paragraph, wrap
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import LogLine

WITH_STEPS = 60
"""From this width on each line has its step."""
EMPTY_TEXT = "Every removal, reset, spike and evaluation appears here in plain words."

STYLES = {
    **dict.fromkeys(("RunStarted", "RunResumed", "RunEnded"), "bold primary"),
    **dict.fromkeys(("Evaluated", "SpikeRecovered"), "success"),
    **dict.fromkeys(("LossSpike", "Paused", "RolledBack", "UpdatesSkipped", "Warned"), "warning"),
    **dict.fromkeys(("Collapsed", "CheckpointFailed"), "bold error"),
    **dict.fromkeys(("CheckpointSaved", "OptimizerReset", "ExampleShown", OUTPUT), "dim"),
    "TokenRemoved": "secondary",
    "CommandDone": "accent",
}
"""Style of each kind of line."""


class LogPanel(TextPanel):
    """The log follows the run, unless scrolled up; a filter selects lines."""

    label = "log"

    BINDINGS = [Binding("escape", "clear_filter", "show all", show=False)]
    DEFAULT_CSS = """
    LogPanel > Input { height: 1; border: none; padding: 0; display: none; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines.follow = True
        self.input = Input(placeholder="show only lines with ...", select_on_focus=False)
        self.filter: tuple[str, ...] = ()
        self._feed: LogFeed | None = None
        self._width = 0
        self._is_empty = True

    def compose(self) -> ComposeResult:
        yield self.input
        yield self.lines

    def show(self, view: RunView) -> None:
        self._view, self.lines.ascii = view, view.ascii
        if self._feed is None or self._feed.source is not view.source:
            self._feed, self._width = LogFeed(view.source), 0
        width = self.lines.size.width
        if not width:
            return
        new, changed = self._feed.look(view)
        if changed or width != self._width or (new and self._is_empty):
            self._width = width
            self._rebuild()
        elif new:
            self.lines.append(self._lines_of(new), MOST_ENTRIES)

    def _rebuild(self) -> None:
        assert self._feed is not None
        lines = self._lines_of(self._feed.entries)
        self._is_empty = not lines
        if lines:
            at_end = self.lines.at_end
            self.lines.show(lines)
            if at_end:
                self.lines.scroll_end(animate=False)
            return
        text = f"No line contains {' and '.join(self.filter)}." if self.filter else EMPTY_TEXT
        self.lines.show(paragraph(text, self._width, "dim"))

    def _lines_of(self, entries: Iterable[LogLine]) -> list[Line]:
        wanted = filter(self._matches, entries)
        return [each for entry in wanted for each in log_lines(entry, self._width)]

    def _matches(self, entry: LogLine) -> bool:
        text = f"{entry.kind} {entry.text} step {entry.step:,} {entry.step}".lower()
        return all(word in text for word in self.filter)

    def action_filter(self) -> None:
        self.input.display = True
        self.input.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "clear_filter" or self.input.display  # escape has other uses

    def action_clear_filter(self) -> None:
        self.input.value = ""
        self.input.display = False
        self.lines.focus()

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.filter = tuple(event.value.lower().split())
        self.set_border(title=self.label + (f": {event.value}" if self.filter else ""))
        if self._width:
            self._rebuild()
            self.lines.scroll_end(animate=False)

    @on(Input.Submitted)
    def read_on(self, event: Input.Submitted) -> None:
        event.stop()
        self.input.display = bool(self.filter)
        self.lines.focus()


def log_lines(entry: LogLine, width: int) -> list[Line]:
    """A log line: time, step where there is room, and the text with a hanging indent."""
    head = f"{clock(entry.time)} "
    if width >= WITH_STEPS:
        origin = "output" if entry.kind == OUTPUT else f"step {entry.step:,}"
        head = f"{head} {origin:>12}  "
    elif width < WITH_STEPS // 2:
        head = f"{clock(entry.time)[:5]} "
    whole = line((head, "dim"), (entry.text, STYLES.get(entry.kind, "")))
    return wrap(whole, width, hang=len(head))
