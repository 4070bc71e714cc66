"""A journal read in bulk, a part at a time, from any place in it."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, get_args, get_origin

from icot_tui.engine.journal.events import Event
from icot_tui.engine.journal.journal import line_time, parse_line
from icot_tui.engine.journal.step_arrays import UNREAD, StepArrays
from icot_tui.watch.bulk_parser import pieces

PART_BYTES = 1 << 20
"""Read at once: large enough to be quick, small enough to stay in the processor's cache."""
LONGEST_LINE = 64 << 20
"""A longer line is none of ours."""
NEEDED = {"seconds", "exact_match", "low", "high", "learning_rate", "best"}
"""Numbers that are always finite: null in their place is damage."""


class Fold(Protocol):
    """What takes in a journal's news: `RunSummary` or `History`."""

    def add(self, time: float, event: Event) -> None: ...

    def add_lines(self, lines: StepArrays) -> None: ...


Piece = StepArrays | tuple[float, Event]


def read(text: bytes) -> list[Piece]:
    """Whole lines of a journal; damaged ones and those of newer versions are left out."""
    found: list[Piece] = []
    for piece in pieces(text):
        if isinstance(piece, StepArrays):
            found.append(piece)
            continue
        line = parse_line(piece)
        event = None if line is None else sound_event(line)
        if line is not None and event is not None:
            found.append((line_time(line), event))
    return found


def fold(into: Fold, found: list[Piece]) -> None:
    """Take in a part of a journal."""
    for piece in found:
        if isinstance(piece, StepArrays):
            into.add_lines(piece)
        else:
            into.add(*piece)


@dataclass
class JournalFile:
    """A journal that is being written, read from `offset` on.

    Attributes:
        path: of the file, which may be missing yet.
        offset: of the first line that was not read.
        size: of the file when it was last looked at.
        inode: which file it was.
        done: was all read that was there? A torn last line waits to be whole.
    """

    path: Path
    offset: int = 0
    size: int = 0
    inode: int | None = None
    done: bool = False

    def look(self) -> bool:
        """Look at the file; False when it is another one, or shorter than what was read."""
        try:
            seen = os.stat(self.path)
        except OSError:  # not there yet, or gone: what was read stands
            self.size = self.offset
            return True
        same = self.inode in (None, seen.st_ino) and seen.st_size >= self.offset
        self.inode, self.size = seen.st_ino, seen.st_size
        return same

    def forget(self) -> None:
        """Begin at the start."""
        self.offset = 0

    def skip_to(self, place: int) -> None:
        """Go on after the first line's end from a place on."""
        with contextlib.suppress(OSError), open(self.path, "rb") as file:
            file.seek(place)
            self.offset = place + len(file.readline(LONGEST_LINE))

    def texts(self, until: int | None = None) -> Iterator[bytes]:
        """Whole lines up to the present end, or to byte `until`; a torn last line waits.

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

    def parts(self, until: int | None = None) -> Iterator[list[Piece]]:
        """The same, read."""
        yield from map(read, self.texts(until))


def _whole_lines(file: FileIO, offset: int, wanted: int) -> tuple[bytes, int]:
    """(whole lines, bytes read) from some place on."""
    file.seek(offset)
    raw = file.read(wanted) or b""
    return raw[: raw.rfind(b"\n") + 1], len(raw)


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field of an event may hold: a value of these types, or a list of such."""

    name: str
    is_list: bool
    types: frozenset[type]

    def may_hold(self, value: object) -> bool:
        if not self.is_list:
            return type(value) in self.types
        return type(value) is list and self.types.issuperset(map(type, value))


def _fields(kind: type[Event]) -> tuple[_Field, ...]:
    found = []
    for one in fields(kind):
        is_list = get_origin(one.type) is list
        inner = get_args(one.type)[0] if is_list else one.type
        types = set(get_args(inner) or (inner,))
        if float in types:
            types |= {int} if one.name in NEEDED else {int, type(None)}
        found.append(_Field(one.name, is_list, frozenset(types)))
    return tuple(found)


_FIELDS = {name: _fields(kind) for name, kind in Event.known.items()}


def sound_event(line: dict[str, Any]) -> Event | None:
    """The event of a line, if every field has a value of its type; None for all others.

    Numbers that were not finite are None, and fields that this version does not know left out.
    """
    values = []
    for one in _FIELDS.get(line["event"], ()):
        value = line.get(one.name)
        if one.name not in UNREAD and not one.may_hold(value):
            return None
        values.append(value)
    kind: Callable[..., Event] = Event.known.get(line["event"], Event)
    return kind(*values) if values else None
