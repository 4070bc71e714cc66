"""The entries of the log: the run's events and what native code printed, each once."""

from bisect import insort
from collections.abc import Sequence

from icot_tui.tui.panels.output_file import OutputFile
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import History, LogLine
from icot_tui.watch.source import Source

MOST_ENTRIES = 5000
OUTPUT = "Output"
"""Kind of the lines that are not events."""


class LogFeed:
    """Collects the entries of one source; a look costs no more than the new entries.

    Attributes:
        entries: all that are kept, the oldest first.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.entries: list[LogLine] = []
        self._output = OutputFile(source.folder.log)
        self._history: History | None = None
        self._version: int | None = None
        self._last: LogLine | None = None

    def look(self, view: RunView) -> tuple[Sequence[LogLine], bool]:
        """(the entries that are new, whether earlier ones changed too)."""
        new, changed = self._events(view)
        printed = self._printed(view)
        if self.entries or not new:
            new += printed
        else:  # at the first look: sort older output in
            for entry in printed:
                insort(new, entry, key=lambda each: each.time)
        if changed:
            new = [entry for entry in self.entries if entry.kind == OUTPUT] + new
            new.sort(key=lambda each: each.time)
            self.entries = []
        self.entries += new
        if len(self.entries) > MOST_ENTRIES * 11 // 10:
            del self.entries[:-MOST_ENTRIES]
        return new, changed

    def _events(self, view: RunView) -> tuple[list[LogLine], bool]:
        """Events after the last one seen; all of them if the run was rewound."""
        history = view.history
        other = self._history is not None and history is not self._history
        if history.version == self._version and not other:
            return [], False
        self._history, self._version = history, history.version
        new: list[LogLine] = []
        for entry in reversed(history.log):
            if entry is self._last:
                break
            new.append(entry)
        if new:
            self._last = new[0]
        return new[::-1], other

    def _printed(self, view: RunView) -> list[LogLine]:
        written, lines = self._output.new_lines(view.now)
        step = view.history.summary.metrics.step
        return [LogLine(written, step, OUTPUT, text) for text in lines]
