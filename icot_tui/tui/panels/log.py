"""Every event in plain words, and what native code printed; with a search."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

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

    A search shows only the lines with its words, highlighted; `n` and `N` go through them in the
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
        self._in_whole = False  # are the lines without a match shown, too?
        self._match = -1  # the line of the chosen match
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
            if not self.filter:
                lines += log_lines(entry, self._width)
            elif self._matches(entry):
                found = log_lines(entry, self._width)  # they begin with the time, or are indented
                lines += [(*one[:1], *highlighted(one[1:], self.filter)) for one in found]
            elif self._in_whole:
                lines += log_lines(entry, self._width)
        return lines

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
        if not self._in_whole:
            self._in_whole, self._match = True, -1
            self._rebuild()
        lines = self.lines.lines
        found = [at for at, each in enumerate(lines) if any(MARK in style for _, style in each)]
        if not found:
            return
        before = self._match if self._match >= 0 else len(lines)
        if by < 0:
            place = bisect_left(found, before) - 1
        else:
            place = bisect_right(found, before) % len(found)
        self._choose(found[place], f"match {found.index(found[place]) + 1:,} of {len(found):,}")

    def _choose(self, at: int, said: str) -> None:
        """Mark the match in a line, and bring it to the middle."""
        lines = list(self.lines.lines)
        if 0 <= self._match < len(lines):
            lines[self._match] = _restyled(lines[self._match], CHOSEN, MARK)
        lines[at] = _restyled(lines[at], MARK, CHOSEN)
        self._match = at
        self.lines.show(lines)
        self.lines.scroll_to(y=max(0, at - self.lines.size.height // 2), animate=False, force=True)
        self.set_border(title=f"{self.label}: {self.input.value}, {said}")

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.filter = tuple(event.value.lower().split())
        self._in_whole, self._match = False, -1
        self.set_border(title=self.label + (f": {event.value}" if self.filter else ""))
        if self._width:
            self._rebuild()
            self.lines.scroll_end(animate=False)

    @on(Input.Submitted)
    def read_on(self, event: Input.Submitted) -> None:
        event.stop()
        self.input.display = bool(self.filter)
        self.lines.focus()


def highlighted(pieces: Line, words: Sequence[str]) -> Line:
    """The line with each of these lower-case words marked wherever it stands."""
    pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
    marked: list[Piece] = []
    for text, style in pieces:
        end = 0
        for match in pattern.finditer(text):
            marked.append((text[end : match.start()], style))
            marked.append((match[0], f"{style} {MARK}"))
            end = match.end()
        marked.append((text[end:], style))
    return tuple((text, style) for text, style in marked if text)


def _restyled(pieces: Line, old: str, new: str) -> Line:
    """The line with one mark replaced by another."""
    return tuple((text, style.replace(old, new)) for text, style in pieces)


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
