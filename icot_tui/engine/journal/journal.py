"""The journal: append-only, one JSON line an event, read by every view of a run.

A line is written with one system call to a file opened for appending, so that readers see whole
lines; what a crash tore off is skipped.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from icot_tui.engine.journal.events import Event
from icot_tui.engine.journal.lines import decode_line, encode_line
from icot_tui.errors import UserError

PART_BYTES = 1 << 20
"""Read at once: large enough to be quick, small enough to stay in the processor's cache."""
LONGEST_LINE = 64 << 20
"""Bytes; a longer line was not written by a run."""


class Journal:
    """Writes events; never loses one, not even to a full disk: it keeps them and tries again.

    Raises:
        UserError: the file can't be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        self._unwritten = b"" if _ends_with_newline(self._file) else b"\n"
        self.error: OSError | None = None

    def write(self, event: Event) -> None:
        """Append an event; on failure it waits in memory and `error` says why."""
        self._unwritten += encode_line(time.time(), event)
        self.flush()

    def flush(self) -> bool:
        """Try to write what waits; True when nothing does any more."""
        try:
            while self._unwritten:
                written = os.write(self._file, self._unwritten)
                self._unwritten = self._unwritten[written:]
            self.error = None
        except OSError as error:
            self.error = error
        return not self._unwritten

    def sync(self) -> None:
        """Wait until the disk has it all; a failure is kept in `error`."""
        try:
            os.fsync(self._file)
        except OSError as error:
            self.error = error

    def close(self) -> None:
        """Write the rest and close."""
        self.flush()
        os.close(self._file)


class JournalReader:
    """Reads a journal that is being written, a part at a time, from `offset` on.

    A journal that is not there yet has no lines. A torn last line waits to be whole.

    Args:
        path: the file.
        offset: where a line begins.

    Attributes:
        offset: of the first line that was not read.
        size: of the file when it was last looked at.
        done: was all read that was there?
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = self.size = offset
        self.done = False
        self._inode: int | None = None

    @classmethod
    def at_end(cls, path: Path) -> "JournalReader":
        """A reader of what will be appended from now on."""
        return cls(path, path.stat().st_size if path.exists() else 0)

    def look(self) -> bool:
        """Look at the file; False when it is another one, or shorter than what was read."""
        try:
            seen = os.stat(self.path)
        except OSError:  # not there yet, or gone: what was read stands
            self.size = self.offset
            return True
        same = self._inode in (None, seen.st_ino) and seen.st_size >= self.offset
        self._inode, self.size = seen.st_ino, seen.st_size
        return same

    def skip_to(self, offset: int) -> None:
        """Go on after the first line's end from an offset on."""
        with contextlib.suppress(OSError), open(self.path, "rb") as file:
            file.seek(offset)
            self.offset = offset + len(file.readline(LONGEST_LINE))

    def parts(self, until: int | None = None) -> Iterator[bytes]:
        """Whole lines up to the end that was seen, or to byte `until`.

        A part counts as read once it was handed out.
        """
        end = self.size if until is None else min(until, self.size)
        self.done = self.offset >= self.size
        if self.offset >= end:
            return
        try:
            file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - the with statement follows
        except OSError:
            return
        wanted = PART_BYTES
        with file:
            while self.offset < end:
                text, count = _whole_lines(file, self.offset, min(wanted, end - self.offset))
                if text:
                    self.offset += len(text)
                    self.done = self.offset >= self.size
                    wanted = PART_BYTES
                    yield text
                elif count < wanted:
                    self.done = True  # but for a torn line
                    return
                elif wanted < LONGEST_LINE:
                    wanted *= 4
                else:
                    self.offset += count

    def events(self) -> Iterator[tuple[float, Event]]:
        """(time, event) of each line since the last call that this version knows.

        Raises:
            OSError: the journal is there but can't be read.
        """
        with contextlib.suppress(FileNotFoundError):
            open(self.path, "rb").close()
        self.look()
        for part in self.parts():
            yield from filter(None, map(decode_line, part.split(b"\n")[:-1]))


def last_step(path: Path) -> int | None:
    """The last step that a journal tells of; None where it tells of none."""
    return max((event.step for _, event in JournalReader(path).events()), default=None)


def _whole_lines(file: FileIO, offset: int, wanted: int) -> tuple[bytes, int]:
    """(whole lines, bytes read) from an offset on."""
    file.seek(offset)
    raw = file.read(wanted) or b""
    return raw[: raw.rfind(b"\n") + 1], len(raw)


def _ends_with_newline(file: int) -> bool:
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"
