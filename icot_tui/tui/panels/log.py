"""Every event in plain words, and what native code printed; a filter narrows it down."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from icot_tui.formatting import clock
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.base import out_of_sight
from icot_tui.tui.panels.lines import Lines
from icot_tui.tui.panels.log_feed import MOST_ENTRIES, OUTPUT, LogFeed
from icot_tui.tui.panels.text import Line, line, wrap, wrapped
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import LogLine

WITH_STEPS = 60
"""From this width on each line says its step."""
EMPTY_TEXT = "Every removal, reset, spike and evaluation is told here, in plain words."

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


@dataclass(frozen=True)
class Shape:
    """What the lines' form depends on."""

    width: int
    ascii: bool


class LogPanel(Panel):
    """Lines that follow the run's end, unless scrolled up, and a filter."""

    label = "log"

    BINDINGS = [Binding("escape", "clear_filter", "show all", show=False)]
    DEFAULT_CSS = """
    LogPanel { border-subtitle-color: $secondary; }
    LogPanel > Input {
        height: 1;
        border: none;
        padding: 0;
        display: none;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines = Lines(follow=True)
        self.input = Input(placeholder="show only lines with ...", select_on_focus=False)
        self.wanted: tuple[str, ...] = ()
        self._feed: LogFeed | None = None
        self._view: RunView | None = None
        self._shape: Shape | None = None
        self._says_empty = True

    def compose(self) -> ComposeResult:
        yield self.input
        yield self.lines

    # Following --------------------------------------------------------------------------------

    def show(self, view: RunView) -> None:
        """Append what is new."""
        self._view = view
        if self._feed is None or self._feed.source is not view.source:
            self._feed, self._shape = LogFeed(view.source), None
        if not self.lines.size.width:
            return
        new, anew = self._feed.look(view)
        shape = Shape(self.lines.size.width, view.ascii)
        if anew or shape != self._shape or (new and self._says_empty):
            self._shape = shape
            self._rebuild()
        elif new:
            self.lines.append(list(self._formed(new)), MOST_ENTRIES)

    # Showing ----------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """All lines anew: another width, another filter."""
        assert self._shape is not None and self._feed is not None
        lines = list(self._formed(self._feed.entries))
        self._says_empty = not lines
        if lines:
            at_end = self.lines.at_end
            self.lines.ascii = self._shape.ascii
            self.lines.show(lines)
            if at_end:
                self.lines.scroll_end(animate=False)
            return
        text = EMPTY_TEXT if not self.wanted else f"No line has {' and '.join(self.wanted)} in it."
        self.lines.show(wrapped(text, self._shape.width, "dim"))

    def _formed(self, entries: Iterable[LogLine]) -> Iterator[Line]:
        assert self._shape is not None
        for entry in entries:
            if self._is_wanted(entry):
                yield from formed(entry, self._shape.width)

    def _is_wanted(self, entry: LogLine) -> bool:
        if not self.wanted:
            return True
        text = f"{entry.kind} {entry.text} step {entry.step:,} {entry.step}".lower()
        return all(word in text for word in self.wanted)

    # Filtering --------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Let the user write what to look for."""
        self.input.display = True
        self.input.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape is ours only while there is a filter."""
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
        self.wanted = tuple(event.value.lower().split())
        wanted = f": {event.value}" if self.wanted else ""
        self.set_border(title=self.label + wanted)
        if self._shape is not None:
            self._rebuild()
            self.lines.scroll_end(animate=False)

    @on(Input.Submitted)
    def read_on(self, event: Input.Submitted) -> None:
        """Back to the lines; an empty filter goes away."""
        event.stop()
        self.input.display = bool(self.wanted)
        self.lines.focus()

    def on_resize(self) -> None:
        """Lines are broken anew."""
        if self._view is not None:
            self.call_after_refresh(self.show, self._view)

    def on_lines_scrolled(self, event: Lines.Scrolled) -> None:
        """Say on the border that there is more."""
        event.stop()
        self.set_border(subtitle=out_of_sight(self.lines))


def formed(entry: LogLine, width: int) -> list[Line]:
    """A log line: time, step where there is room, and the words, wrapped beneath themselves."""
    when = clock(entry.time)
    if width < WITH_STEPS:
        head = f"{when[:5]} " if width < WITH_STEPS // 2 else f"{when} "
    else:
        head = f"{when}  {'output' if entry.kind == OUTPUT else f'step {entry.step:,}':>12}  "
    whole = line((head, "dim"), (entry.text, STYLES.get(entry.kind, "")))
    return wrap(whole, width, hang=len(head))
