"""What native code and libraries printed during the run: the run folder's log.txt."""

import os
import re
from pathlib import Path

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
