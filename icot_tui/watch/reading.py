"""A journal read in bulk, a part at a time, from any place in it."""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, get_args, get_origin

from icot_tui.engine.events import Event
from icot_tui.engine.journal import line_time, parse_line
from icot_tui.engine.trained import TrainedLines
from icot_tui.watch.columns import Text, pieces
from icot_tui.watch.numbers import PADDING

PART_BYTES = 1 << 20
"""Read at once: large enough to be quick, small enough to stay in the processor's cache."""
AHEAD = 4
"""Parts that are read ahead; less than so many are read on the spot."""
LONGEST_LINE = 64 << 20
"""A longer line is none of ours."""
NEEDED = {"seconds", "exact_match", "low", "high", "learning_rate", "best"}
"""Numbers that are always finite: null in their place is damage."""


class Fold(Protocol):
    """What takes in a journal's news: `RunSummary` or `History`."""

    def add(self, time: float, event: Event) -> None: ...

    def add_lines(self, lines: TrainedLines) -> None: ...


Piece = TrainedLines | tuple[float, Event]


def read(text: Text) -> list[Piece]:
    """A part of a journal; damaged lines and those of newer versions are left out."""
    found: list[Piece] = []
    for piece in pieces(text):
        if isinstance(piece, TrainedLines):
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
        if isinstance(piece, TrainedLines):
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
    _ahead: "deque[tuple[int, Future[list[Piece]]]]" = field(default_factory=deque)

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
        self._ahead.clear()

    def skip_to(self, place: int) -> None:
        """Go on after the first line's end from a place on."""
        self._ahead.clear()
        with contextlib.suppress(OSError), open(self.path, "rb") as file:
            file.seek(place)
            self.offset = place + len(file.readline(LONGEST_LINE))

    def texts(self, until: int | None = None) -> Iterator[Text]:
        """Whole lines up to the present end, or to byte `until`; a torn last line waits.

        A part counts as read once it was handed out.
        """
        self.done = self.offset >= self.size
        for raw, length, end in self._from(self.offset, self._end(until)):
            self._passed(end)
            yield Text(raw, length)

    def parts(self, until: int | None = None) -> Iterator[list[Piece]]:
        """The same, read. Much at once is read on threads of its own, some parts ahead."""
        self.done = self.offset >= self.size
        end = self._end(until)
        if end - self.offset < AHEAD * PART_BYTES and not self._ahead:
            yield from map(read, self.texts(until))
            return
        texts = self._from(self._ahead[-1][0] if self._ahead else self.offset, end)
        with contextlib.closing(texts):
            while True:
                while len(self._ahead) < AHEAD and (found := next(texts, None)) is not None:
                    raw, length, place = found
                    self._ahead.append((place, _pool().submit(_read_lines, raw, length)))
                if not self._ahead:
                    return
                place, part = self._ahead.popleft()
                result = part.result()
                self._passed(place)
                yield result

    def _end(self, until: int | None) -> int:
        return self.size if until is None else min(until, self.size)

    def _passed(self, place: int) -> None:
        self.offset = place
        self.done = place >= self.size

    def _from(self, place: int, end: int) -> Generator[tuple[bytearray, int, int], None, None]:
        """(buffer with whole lines, their length, where they end in the file) from a place on."""
        if place >= end:
            return
        try:
            file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - the with statement follows
        except OSError:
            return
        wanted = PART_BYTES
        with file:
            while place < end:
                raw, length, count = _whole_lines(file, place, min(wanted, end - place))
                if length > 0:
                    place += length
                    wanted = PART_BYTES
                    yield raw, length, place
                elif count < wanted:
                    self.done = not self._ahead  # but for a torn line
                    return
                elif wanted < LONGEST_LINE:
                    wanted *= 4
                else:
                    place += count
                    if not self._ahead:
                        self.offset = place


@cache
def _pool() -> ThreadPoolExecutor:
    """Reads journals; numpy lets threads run side by side."""
    return ThreadPoolExecutor(2, thread_name_prefix="journal")


def _read_lines(raw: bytearray, length: int) -> list[Piece]:
    return read(Text(raw, length))


def _whole_lines(file: FileIO, offset: int, wanted: int) -> tuple[bytearray, int, int]:
    """(buffer with padding, bytes of whole lines in it, bytes read) from some place on."""
    raw = bytearray(wanted + 2 * PADDING)
    file.seek(offset)
    count = file.readinto(memoryview(raw)[PADDING : PADDING + wanted]) or 0
    length = raw.rfind(b"\n", PADDING, PADDING + count) + 1 - PADDING
    return raw, max(0, length), count


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field of an event may hold: a value of these types, or a list of such."""

    name: str
    is_list: bool
    types: frozenset[type]


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
        if not one.is_list:
            if type(value) not in one.types:
                return None
        elif type(value) is not list or not one.types.issuperset(map(type, value)):
            return None
        values.append(value)
    kind: Callable[..., Event] = Event.known.get(line["event"], Event)
    return kind(*values) if values else None
