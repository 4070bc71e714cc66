"""Every event in plain words, and what native code printed; with a filter."""

from collections.abc import Iterable, Iterator

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
    "TokenRemoved": "secondary",
    "Evaluated": "success",
    "SpikeRecovered": "success",
    "LossSpike": "warning",
    "Paused": "warning",
    "RolledBack": "warning",
    "UpdatesSkipped": "warning",
    "Warned": "warning",
    "Collapsed": "bold error",
    "CheckpointFailed": "bold error",
    "CheckpointSaved": "dim",
    "OptimizerReset": "dim",
    "ExampleShown": "dim",
    "RunStarted": "bold primary",
    "RunResumed": "bold primary",
    "RunEnded": "bold primary",
    "CommandDone": "accent",
    OUTPUT: "dim",
}
"""Style of each kind of line."""


class LogPanel(TextPanel):
    """The log follows the run, unless scrolled up; a filter selects lines."""

    label = "log"
    follow = True

    BINDINGS = [Binding("escape", "clear_filter", "show all", show=False)]
    DEFAULT_CSS = """
    LogPanel > Input {
        height: 1;
        border: none;
        padding: 0;
        display: none;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.input = Input(placeholder="show only lines with ...", select_on_focus=False)
        self.filter: tuple[str, ...] = ()
        self._feed: LogFeed | None = None
        self._width = 0
        self._is_empty = True

    def compose(self) -> ComposeResult:
        yield self.input
        yield self.lines

    def show(self, view: RunView) -> None:
        """Append what is new."""
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
            self.lines.append(list(self._lines_of(new)), MOST_ENTRIES)

    def _rebuild(self) -> None:
        """All lines again: the width or the filter has changed."""
        assert self._feed is not None
        lines = list(self._lines_of(self._feed.entries))
        self._is_empty = not lines
        if lines:
            at_end = self.lines.at_end
            self.lines.show(lines)
            if at_end:
                self.lines.scroll_end(animate=False)
            return
        text = f"No line contains {' and '.join(self.filter)}." if self.filter else EMPTY_TEXT
        self.lines.show(paragraph(text, self._width, "dim"))

    def _lines_of(self, entries: Iterable[LogLine]) -> Iterator[Line]:
        for entry in entries:
            if self._matches(entry):
                yield from log_lines(entry, self._width)

    def _matches(self, entry: LogLine) -> bool:
        if not self.filter:
            return True
        text = f"{entry.kind} {entry.text} step {entry.step:,} {entry.step}".lower()
        return all(word in text for word in self.filter)

    # Filtering --------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Ask for the words to filter by."""
        self.input.display = True
        self.input.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape clears the filter while there is one."""
        return action != "clear_filter" or self.input.display

    def action_clear_filter(self) -> None:
        """Show every line again."""
        self.input.value = ""
        self.input.display = False
        self.lines.focus()

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        """Show only lines that have all these words in them."""
        event.stop()
        self.filter = tuple(event.value.lower().split())
        self.set_border(title=self.label + (f": {event.value}" if self.filter else ""))
        if self._width:
            self._rebuild()
            self.lines.scroll_end(animate=False)

    @on(Input.Submitted)
    def read_on(self, event: Input.Submitted) -> None:
        """Back to the lines; an empty filter goes away."""
        event.stop()
        self.input.display = bool(self.filter)
        self.lines.focus()


def log_lines(entry: LogLine, width: int) -> list[Line]:
    """A log line: time, step where there is room, and the text with a hanging indent."""
    when = clock(entry.time)
    if width < WITH_STEPS:
        head = f"{when[:5]} " if width < WITH_STEPS // 2 else f"{when} "
    else:
        head = f"{when}  {'output' if entry.kind == OUTPUT else f'step {entry.step:,}':>12}  "
    whole = line((head, "dim"), (entry.text, STYLES.get(entry.kind, "")))
    return wrap(whole, width, hang=len(head))
