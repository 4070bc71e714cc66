"""The entries of the log: the run's events and what native code printed, each once."""

import os
import re
from bisect import insort
from collections.abc import Sequence
from pathlib import Path

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


AT_ONCE = 64 * 1024
"""Bytes read at once; of a file that grows faster a part is skipped."""
AT_FIRST = 16 * 1024
"""Bytes read of the end of a file that already exists."""
CLOCK_SLACK = 60.0
"""Seconds by which another machine's clock may be ahead of ours."""
_RETOLD = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  step ")
"""Lines of a headless run that repeat the journal."""


class OutputFile:
    """Reads the lines added since the last look; a look costs one system call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset: int | None = None
        self._torn = b""

    def new_lines(self, now: float) -> tuple[float, list[str]]:
        """(time of the last write, new lines); what was written after `now` waits."""
        try:
            found = os.stat(self._path)
        except OSError:
            return now, []
        if found.st_size == self._offset or found.st_mtime > now + CLOCK_SLACK:
            return found.st_mtime, []
        if self._offset is None or found.st_size < self._offset:  # the first look, or a new file
            self._torn, self._offset = b"", max(0, found.st_size - AT_FIRST)
            skips = self._offset > 0
        else:
            skips = found.st_size - self._offset > AT_ONCE
            if skips:
                self._torn, self._offset = b"", found.st_size - AT_ONCE
        return found.st_mtime, self._read(self._offset, skips)

    def _read(self, offset: int, skips: bool) -> list[str]:
        try:
            with open(self._path, "rb") as file:
                file.seek(offset)
                read = file.read(AT_ONCE)
        except OSError:
            return []
        self._offset = offset + len(read)
        *lines, self._torn = (self._torn + read).split(b"\n")
        if skips and lines:
            del lines[0]  # its beginning is not known
        return [_shown(raw) for raw in lines if raw.strip() and not _RETOLD.match(raw)]


def _shown(raw: bytes) -> str:
    """The last state of a line that a progress bar has rewritten."""
    return raw.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="backslashreplace").rstrip()
