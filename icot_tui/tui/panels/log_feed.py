"""The entries of the log: the run's events and what native code printed, each once."""

import os
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from icot_tui.files import open_file
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import History, LogLine
from icot_tui.watch.source import Source

MOST_ENTRIES = 5000
OUTPUT = "Output"
"""Kind of the lines that are not events."""
AT_ONCE = 64 * 1024
"""Bytes read at once; of a file that grows faster a part is skipped."""
AT_FIRST = 16 * 1024
"""Bytes read of the end of a file that already exists."""
CLOCK_SLACK = 60.0
"""Seconds by which another machine's clock may be ahead of ours."""
_JOURNAL_LINE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  step ")
"""Lines of a headless run that repeat the journal."""


class LogFeed:
    """Collects the entries of one source; a look costs no more than the new entries."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.entries: list[LogLine] = []  # the oldest first
        self._output = OutputFile(source.folder.log)
        self._history: History | None = None
        self._version: int | None = None
        self._last: LogLine | None = None

    def look(self, view: RunView) -> tuple[Sequence[LogLine], bool]:
        """(the entries that are new, whether earlier ones changed too)."""
        new, changed = self._events(view)
        written, texts = self._output.new_lines(view.now)
        step = view.history.summary.metrics.step
        new += [LogLine(written, step, OUTPUT, text) for text in texts]
        if changed:
            new = [entry for entry in self.entries if entry.kind == OUTPUT] + new
            self.entries = []
        if not self.entries:  # older output is sorted in
            new.sort(key=lambda each: each.time)
        self.entries += new
        if len(self.entries) > MOST_ENTRIES * 11 // 10:
            del self.entries[:-MOST_ENTRIES]
        return new, changed

    def _events(self, view: RunView) -> tuple[list[LogLine], bool]:
        """Events after the last one seen; all of them if the run was rewound."""
        history, before = view.history, self._history
        rewound = before is not None and history is not before
        if history.version == self._version and not rewound:
            return [], False
        self._history, self._version = history, history.version
        new = list(takewhile(lambda entry: entry is not self._last, reversed(history.log)))
        if new:
            self._last = new[0]
        return new[::-1], rewound


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
        size, offset = found.st_size, self._offset
        if size == offset or found.st_mtime > now + CLOCK_SLACK:
            return found.st_mtime, []
        if offset is None or size < offset:  # the first look, or a new file
            start = max(0, size - AT_FIRST)
            skips = start > 0
        else:
            skips = size - offset > AT_ONCE
            start = size - AT_ONCE if skips else offset
        if start != offset:
            self._torn = b""
        return found.st_mtime, self._read(start, skips)

    def _read(self, offset: int, skips: bool) -> list[str]:
        try:
            with open(open_file(self._path), "rb") as file:
                file.seek(offset)
                read = file.read(AT_ONCE)
        except OSError:
            return []
        self._offset = offset + len(read)
        *lines, self._torn = (self._torn + read).split(b"\n")
        if skips and lines:
            del lines[0]  # its beginning is not known
        return [_shown(raw) for raw in lines if raw.strip() and not _JOURNAL_LINE.match(raw)]


def _shown(raw: bytes) -> str:
    """The last state of a line that a progress bar has rewritten."""
    return raw.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="backslashreplace").rstrip()
