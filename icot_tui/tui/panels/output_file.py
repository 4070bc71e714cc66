"""What native code and libraries printed while the run went on: the run folder's log.txt."""

import os
import re
from pathlib import Path

AT_ONCE = 64 * 1024
"""Bytes read in one look; a file that grows faster is skipped ahead."""
AT_FIRST = 16 * 1024
"""Of a file that is there already, only the end matters."""
CLOCK_SLACK = 60.0
"""Seconds by which another machine's clock may go before ours."""
_RETOLD = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  step ")
"""Lines of a headless run that tell what the journal tells."""


class OutputFile:
    """Reads the lines that were added since the last look; looks cost one system call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset: int | None = None
        self._torn = b""

    def new_lines(self, now: float) -> tuple[float, list[str]]:
        """(when the file was last written, its new lines); what is later than `now` waits."""
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
