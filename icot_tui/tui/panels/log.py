"""Every event in plain words, and what native code printed; with a search."""

import re
from collections.abc import Iterable, Iterator, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from icot_tui.formatting import clock
from icot_tui.tui.panels.base import TextPanel
from icot_tui.tui.panels.log_feed import MOST_ENTRIES, OUTPUT, LogFeed
from icot_tui.tui.panels.text import Line, Piece, line, paragraph, wrap
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import LogLine

WITH_STEPS = 60
"""From this width on each line has its step."""
PLACEHOLDER = "search: words of a line; then n and N: next and previous match"
MARK, CHOSEN = "reverse", "underline bold accent"
"""Styles of a match, and of the chosen one."""
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
    """The log follows the run, unless scrolled up.

    A search shows only the entries with its words, highlighted; `n` and `N` go through them in the
    whole log.
    """

    label = "log"

    BINDINGS = [
        Binding("escape", "clear_filter", "show all", show=False),
        Binding("n", "next_match(1)", "next match", show=False),
        Binding("N", "next_match(-1)", "previous match", show=False),
    ]
    DEFAULT_CSS = """
    LogPanel > Input { height: 1; border: none; padding: 0; display: none; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines.follow = True
        self.input = Input(placeholder=PLACEHOLDER, select_on_focus=False)
        self.filter: tuple[str, ...] = ()
        self._in_whole = False  # are the entries without a match shown, too?
        self._match: LogLine | None = None  # the chosen one
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
        lines: list[Line] = []
        for entry in entries:
            if self.filter and self._matches(entry):
                lines += self._marked(entry)
            elif not self.filter or self._in_whole:
                lines += log_lines(entry, self._width)
        return lines

    def _marked(self, entry: LogLine) -> Iterator[Line]:
        """Its lines with the words marked; of the chosen one the time, too: its kind may match."""
        mark = CHOSEN if entry is self._match else MARK
        for at, pieces in enumerate(log_lines(entry, self._width)):
            begin, rest = pieces[:1], pieces[1:]  # the time, or blanks
            if at == 0 and entry is self._match:
                begin = tuple((text, CHOSEN) for text, _ in begin)
            yield (*begin, *highlighted(rest, self.filter, mark))

    def _matches(self, entry: LogLine) -> bool:
        text = f"{entry.kind} {entry.text} step {entry.step:,} {entry.step}".lower()
        return all(word in text for word in self.filter)

    def action_filter(self) -> None:
        self.input.display = True
        self.input.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next_match":  # without a search its keys have other uses
            return bool(self.filter)
        return action != "clear_filter" or self.input.display or bool(self.filter)

    def action_clear_filter(self) -> None:
        self.input.value = ""
        self.input.display = False
        self.lines.focus()

    def action_next_match(self, by: int) -> None:
        """Show the whole log, at the next match below, or above if negative."""
        entries = self._feed.entries if self._feed is not None else ()
        found = [entry for entry in entries if self._matches(entry)]
        if not found:
            return
        chosen = [at for at, entry in enumerate(found) if entry is self._match]
        place = (chosen[0] + by) % len(found) if chosen else min(by, 0) % len(found)
        self._in_whole, self._match = True, found[place]
        self.lines.show(self._lines_of(entries))
        self._to_middle()
        said = f"match {place + 1:,} of {len(found):,}"
        self.set_border(title=f"{self.label}: {self.input.value}, {said}")

    def _to_middle(self) -> None:
        """Bring the chosen match into view."""
        lines, half = self.lines.lines, self.lines.size.height // 2
        at = next((at for at, each in enumerate(lines) if any(CHOSEN in s for _, s in each)), 0)
        self.lines.scroll_to(y=max(0, at - half), animate=False, force=True)

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.filter = tuple(event.value.lower().split())
        self._in_whole, self._match = False, None
        self.set_border(title=self.label + (f": {event.value}" if self.filter else ""))
        if self._width:
            self._rebuild()
            self.lines.scroll_end(animate=False)

    @on(Input.Submitted)
    def read_on(self, event: Input.Submitted) -> None:
        event.stop()
        self.input.display = bool(self.filter)
        self.lines.focus()


def highlighted(pieces: Line, words: Sequence[str], mark: str = MARK) -> Line:
    """The line with each of these lower-case words marked wherever it stands."""
    pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
    marked: list[Piece] = []
    for text, style in pieces:
        end = 0
        for match in pattern.finditer(text):
            marked.append((text[end : match.start()], style))
            marked.append((match[0], f"{style} {mark}"))
            end = match.end()
        marked.append((text[end:], style))
    return tuple((text, style) for text, style in marked if text)


def log_lines(entry: LogLine, width: int) -> list[Line]:
    """A log line: time, step where there is room, and the text with a hanging indent."""
    time, step = f"{clock(entry.time)} ", ""
    if width >= WITH_STEPS:
        origin = "output" if entry.kind == OUTPUT else f"step {entry.step:,}"
        step = f" {origin:>12}  "
    elif width < WITH_STEPS // 2:
        time = f"{clock(entry.time)[:5]} "
    whole = line((time, "dim"), (step, "dim"), (entry.text, STYLES.get(entry.kind, "")))
    return wrap(whole, width, hang=len(time + step))
