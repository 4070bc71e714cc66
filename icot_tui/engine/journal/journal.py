"""The journal: append-only, one JSON line an event, read by every view of a run.

A line is written with one system call to a file opened for appending, so that readers see whole
lines; what a crash tore off is skipped.
"""

import contextlib
import errno
import json
import os
import stat
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any, Union

import msgspec

from icot_tui.engine.journal.events import EVENTS, CommandDone, Event, RunStarted
from icot_tui.errors import UserError
from icot_tui.files import open_file
from icot_tui.formatting import plain_json

PART_BYTES = 1 << 20
"""Read at once: large enough to be quick, small enough to stay in the processor's cache."""
LONGEST_LINE = 64 << 20  # bytes; a longer line was not written by a run


class _Stamp(msgspec.Struct):
    time: Any = 0.0


_Any = Union[tuple(EVENTS.values())]  # type: ignore[valid-type]  # noqa: UP007
_event = msgspec.json.Decoder(_Any).decode
_stamp = msgspec.json.Decoder(_Stamp).decode


def encode_line(time: float, event: Event) -> bytes:
    """An event as the journal has it, with the line's end; numbers that are not finite are null.

    What would command a terminal is escaped, so that a journal may be printed.
    """
    values = msgspec.to_builtins(event, enc_hook=lambda number: number.item())  # NumPy's numbers
    line = {"time": round(time, 3)} | values
    try:
        return plain_json(msgspec.json.encode(line)) + b"\n"
    except UnicodeEncodeError:  # a file's name that is no Unicode
        line = {key: _unicode(value) for key, value in line.items()}
        return plain_json(msgspec.json.encode(line)) + b"\n"


def decode_line(line: bytes) -> tuple[float, Event] | None:
    """(time, event) of a line; None where it is damaged, or its event is of a newer version.

    Fields of newer versions are left out. The time is 0 where the line does not say.
    """
    try:
        event, time = _event(line), _stamp(line).time
    except (ValueError, RecursionError):
        try:  # once more with `json`, which takes surrogates, and numbers too large for a float
            values = json.loads(line, parse_constant=lambda name: None)
            event, time = msgspec.convert(values, _Any), values.get("time")
        except (ValueError, RecursionError):
            return None
    match event:
        case CommandDone(command="hold", done=True, held=None):  # schema 1 had it in words only
            event = msgspec.structs.replace(event, held=event.effect != "the schedule goes on")
    known = isinstance(time, int | float) and not isinstance(time, bool)
    return (float(time) if known else 0.0), event


def _unicode(value: Any) -> Any:
    """The value; in texts, backslash escapes instead of what UTF-8 can't encode."""
    if isinstance(value, list):
        return [_unicode(item) for item in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


class Journal:
    """Writes events; never loses one, not even to a full disk: it keeps them and tries again."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = open_file(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        self._path = path
        size = os.fstat(self._file).st_size
        torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self._unwritten = b"\n" if torn else b""
        self.error: OSError | None = None

    def write(self, event: Event) -> None:
        """Append an event; on failure it waits in memory and `error` says why."""
        self._unwritten += encode_line(time.time(), event)
        with contextlib.suppress(OSError):
            self.flush()

    def flush(self) -> None:
        """Write what waits; an `OSError` of the disk, or of a file that is gone, is in `error` too.

        A file that another program moved, replaced or deleted takes lines that nobody will read.
        """
        try:
            while self._unwritten:
                written = os.write(self._file, self._unwritten)
                self._unwritten = self._unwritten[written:]
            if not self._in_place():
                raise FileNotFoundError(errno.ENOENT, "it is no longer there", str(self._path))
            self.error = None
        except OSError as error:
            self.error = error
            raise

    def displaced(self) -> str | None:
        """What became of the journal or its folder, and what to do, if another program took it."""
        if self._in_place():
            return None
        folder, file = self._path.parent, self._path
        whole, deleted = f"the run's folder {folder} was", os.fstat(self._file).st_nlink == 0
        now = None if deleted else self._now()
        if deleted and not (folder / "config.toml").exists():
            return f"{whole} deleted: start it again with 'icot-tui train'"
        if not deleted and now is None:
            return f"{whole} moved or deleted"
        if now and now.parent != folder.resolve() and (now.parent / "config.toml").exists():
            return f"{whole} moved to {now.parent}: resume it there"
        if now:
            what, then = f"moved to {now}", "put it back and resume the run"
        elif file.exists():
            what, then = "replaced by another file", "put the right one there and resume the run"
        else:
            what, then = "deleted", "resume the run, which begins a new one at the last checkpoint"
        return f"{file} was {what} while the run wrote to it: {then}"

    def _in_place(self) -> bool:
        """Is the open file the one at its path, as far as the disk tells?

        Some network file systems number files anew: there a file with the same end will do.
        """
        try:
            there, ours = os.lstat(self._path), os.fstat(self._file)
            if os.path.samestat(there, ours):
                return True
            begin = max(0, ours.st_size - PART_BYTES)
            with open(open_file(self._path), "rb") as other:
                other.seek(begin)
                end = os.pread(self._file, PART_BYTES, begin)
                return there.st_size == ours.st_size and other.read(PART_BYTES) == end
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # a disk that fails for now
            return True

    def _now(self) -> Path | None:
        """Where the open file is; None on a system that doesn't tell."""
        try:
            return Path(os.readlink(f"/proc/self/fd/{self._file}"))
        except OSError:
            return None

    def close(self) -> None:
        """Write the rest, wait until the disk has it all, and close."""
        with contextlib.suppress(OSError):
            self.flush()
        with contextlib.suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)


class JournalReader:
    """Reads a journal that is being written, a part at a time, from a line's `offset` on.

    A journal that is not there yet has no lines. A torn last line waits to be whole.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset  # of the first line that was not read
        self.size = offset  # of the file when it was last looked at
        self.done = False  # has all been read that was there?
        self._inode: int | None = None

    @classmethod
    def at_end(cls, path: Path) -> "JournalReader":
        """A reader of what will be appended from now on."""
        return cls(path, path.stat().st_size if path.exists() else 0)

    def look(self) -> bool:
        """Look at the file; False when it is another one, or shorter than what was read."""
        try:
            seen = os.stat(self.path)
            if not stat.S_ISREG(seen.st_mode):
                raise OSError
        except OSError:  # not there yet, gone, or no file: what was read stands
            self.size = self.offset
            return True
        same = self._inode in (None, seen.st_ino) and seen.st_size >= self.offset
        self._inode, self.size = seen.st_ino, seen.st_size
        return same

    def skip_to(self, offset: int) -> None:
        """Go on after the first line's end from an offset on."""
        with contextlib.suppress(OSError), open(open_file(self.path), "rb") as file:
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
            file = open(open_file(self.path), "rb", buffering=0)  # noqa: SIM115 - the with statement follows
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
                    self.offset = min(_next_data(file, self.offset + count), self.size)

    def check(self) -> None:
        """Raise an `OSError` if the journal is there but can't be read: no file, or no rights."""
        with contextlib.suppress(FileNotFoundError):
            os.close(open_file(self.path))

    def new_parts(self) -> Iterator[bytes]:
        """Whole lines since the last call.

        An `OSError` says that the journal is there but can't be read.
        """
        self.check()
        self.look()
        yield from self.parts()

    def events(self) -> Iterator[tuple[float, Event]]:
        """(time, event) of each line since the last call that this version knows.

        An `OSError` says that the journal is there but can't be read.
        """
        for part in self.new_parts():
            yield from filter(None, map(decode_line, part.split(b"\n")[:-1]))


def tells_of(path: Path, event: Event) -> bool:
    """Is this event in the last part of a journal?"""
    reader = JournalReader(path)
    with contextlib.suppress(OSError):
        if (size := path.stat().st_size) > PART_BYTES:
            reader.skip_to(size - PART_BYTES)
        return any(told == event for _, told in reader.events())
    return False


def last_step(path: Path) -> int | None:
    """The last step that a journal tells of; None where it tells of none."""
    return max((event.step for _, event in JournalReader(path).events()), default=None)


def greatest_stage(path: Path) -> int | None:
    """Tokens of the run's longest chain of thought; None before the run began."""
    events = (event for _, event in JournalReader(path).events())
    return next((event.greatest_stage for event in events if isinstance(event, RunStarted)), None)


def _next_data(file: FileIO, offset: int) -> int:
    """Where something is written, at an offset or after it: what is a hole costs no reading."""
    try:
        return os.lseek(file.fileno(), offset, os.SEEK_DATA)
    except AttributeError:  # a system that doesn't tell
        return offset
    except OSError as error:
        return os.fstat(file.fileno()).st_size if error.errno == errno.ENXIO else offset


def _whole_lines(file: FileIO, offset: int, wanted: int) -> tuple[bytes, int]:
    """(whole lines, bytes read) from an offset on."""
    file.seek(offset)
    raw = file.read(wanted) or b""
    return raw[: raw.rfind(b"\n") + 1], len(raw)
