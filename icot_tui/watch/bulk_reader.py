"""Journal text read in bulk: runs of `StepsTrained` lines become arrays, all else events.

A long journal consists almost wholly of such lines, which msgspec reads without making what nobody
looks at. Only lines with exactly the fields of this version are read so: one that is damaged, or
of a newer version, is left to the decoder of any event.

What reads a line holds the interpreter's lock, so that a thread would gain nothing: the later part
of a long journal is read by a second process while this one reads the beginning.
"""

import contextlib
import math
import pickle
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.events import Event, StepsTrained
from icot_tui.engine.journal.journal import JournalReader, decode_line
from icot_tui.engine.journal.metrics import LOSS_WINDOW, StepArrays
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.watch.series import single

if TYPE_CHECKING:
    from icot_tui.watch.history import History

WORTH = 64 << 20
"""Bytes; to read fewer takes no longer than to start a process."""
FIRST = 0.47
"""The share that is read here, where the pieces are taken in as well."""

LONGEST_WAIT = 60.0
"""Seconds that one look for the other process's pieces may take."""

Piece = StepArrays | tuple[float, Event]
NOTHING = np.empty(0)
_decode_losses = msgspec.json.Decoder(list[float | None]).decode


class Wanted(Enum):
    """How much is read of the steps; each value is the fields that are not even parsed."""

    SUMMARY = frozenset({"losses", "gradient_norms"})
    """Of the losses only the last ones of each run of lines."""
    VIEW = frozenset({"gradient_norms"})
    """All losses, in 32 bits; no view shows norms, which are half of the numbers."""
    ALL = frozenset[str]()
    """In 64 bits."""


def read(text: bytes, wanted: Wanted = Wanted.VIEW) -> list[Piece]:
    """Lines of a journal; damaged ones and those of newer versions are left out."""
    found = (
        piece if isinstance(piece, StepArrays) else decode_line(piece)
        for piece in pieces(text, wanted)
    )
    return [piece for piece in found if piece is not None]


def fold(into: "RunSummary | History", found: list[Piece]) -> None:
    """Take in a part of a journal."""
    for piece in found:
        if isinstance(piece, StepArrays):
            into.add_lines(piece)
        else:
            into.add(*piece)


@cache
def _decoder(wanted: Wanted) -> Callable[[bytes], Any]:
    """Decodes a `StepsTrained` line of this version, but for some fields; others raise."""
    fields: list[Any] = [("time", float)]
    for field in msgspec.structs.fields(StepsTrained):
        kind = msgspec.Raw if field.name in wanted.value else field.type
        if field.required:
            fields.append((field.name, kind))
        else:  # nothing is made for what a line leaves out
            fields.append((field.name, kind | msgspec.UnsetType, msgspec.UNSET))
    line = msgspec.defstruct(
        "_Line",
        fields,
        tag_field="event",
        tag="StepsTrained",
        forbid_unknown_fields=True,
        gc=False,
    )
    decode = msgspec.json.Decoder(line).decode
    if wanted is Wanted.SUMMARY:
        return decode
    with_norms = wanted is Wanted.ALL

    def counted(text: bytes) -> Any:
        found: Any = decode(text)
        count = found.step - found.first + 1
        if len(found.losses) != count or (with_norms and len(found.gradient_norms) != count):
            raise msgspec.ValidationError("not a loss for each step")
        return found

    return counted


def pieces(text: bytes, wanted: Wanted = Wanted.VIEW) -> Iterator[StepArrays | bytes]:
    """Whole lines in order: runs of `StepsTrained` lines in bulk, all else line by line."""
    decode = _decoder(wanted)
    plain = _is_plain(text)
    run: list[Any] = []
    next_of_stage: tuple[int, int] | None = None
    for line in text.split(b"\n")[:-1]:
        try:
            trained = decode(line) if plain or _is_plain(line) else None
        except (msgspec.DecodeError, RecursionError):
            trained = None
        if run and (
            trained is None
            or (trained.first, trained.stage) != next_of_stage
            or (trained.loss_parts is not run[-1].loss_parts and _other_loss(trained, run[-1]))
        ):
            yield _joined(run, [each.time for each in run], wanted)
            run = []
        if trained is None:
            yield line
        else:
            run.append(trained)
            next_of_stage = trained.step + 1, trained.stage
    if run:
        yield _joined(run, [each.time for each in run], wanted)


def _other_loss(line: Any, before: Any) -> bool:
    """Do two lines tell of losses with other parts?"""
    return tuple(line.loss_parts or ()) != tuple(before.loss_parts or ())


def _is_plain(text: bytes) -> bool:
    """Can no string in it be damaged? In what is left unread, msgspec does not look."""
    return text.isascii() and b"\\" not in text


def step_arrays(time: float, event: StepsTrained) -> StepArrays:
    """What one such event says, wholly; it has losses."""
    losses, norms = event.losses, event.gradient_norms[: len(event.losses)]
    norms = [*norms, *[None] * (len(losses) - len(norms))]
    first = event.step - len(losses) + 1
    event = msgspec.structs.replace(event, first=first, gradient_norms=norms)
    return _joined([event], [time], Wanted.ALL)


def _joined(run: list[Any], times: Sequence[float], wanted: Wanted) -> StepArrays:
    losses: NDArray[np.floating] = NOTHING
    norms = NOTHING
    if wanted is Wanted.SUMMARY:
        last = _last_unread(run)
    else:
        exact = _floats(list(chain.from_iterable([line.losses for line in run])))
        losses, last = single(exact), _last_finite(exact)
    if wanted is Wanted.ALL:
        losses = _finite(exact)
        norms = _finite(_floats(list(chain.from_iterable([line.gradient_norms for line in run]))))
    return StepArrays(
        times=_floats(times),
        first=run[0].first,
        # A type that is named is twice as fast as one that numpy finds out.
        steps=np.array([line.step for line in run], dtype=np.int64),
        stage=run[0].stage,
        learning_rates=_floats([line.learning_rate for line in run]),
        seconds=_floats([line.seconds for line in run]),
        supervised_tokens=sum([line.supervised_tokens for line in run]),
        dropped_rows=sum([line.dropped_rows for line in run]),
        losses=losses,
        last_losses=last,
        gradient_norms=norms,
        loss_parts={
            name: _finite(_floats([line.loss_parts[name] for line in run]))
            for name in run[0].loss_parts or ()
        },
        gated_loss=None if run[-1].gated_loss is msgspec.UNSET else run[-1].gated_loss,
    )


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def _last_finite(losses: NDArray[np.float64]) -> tuple[float, ...]:
    last = losses[-LOSS_WINDOW:]
    if np.isnan(last).any():
        last = losses[~np.isnan(losses)][-LOSS_WINDOW:]
    return tuple(last.tolist())


def _last_unread(run: list[Any]) -> tuple[float, ...]:
    """The same, of lines whose losses were not parsed; none before odd ones."""
    last: list[float] = []
    with contextlib.suppress(msgspec.DecodeError):
        for line in reversed(run):
            last[:0] = [loss for loss in _decode_losses(line.losses) if loss is not None]
            if len(last) >= LOSS_WINDOW:
                break
    return tuple(last[-LOSS_WINDOW:])


class _Pickler(pickle.Pickler):
    """Writes arrays as their bytes, which takes half of the time."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return np.frombuffer, (value.tobytes(), value.dtype)
        return NotImplemented


class ReadAhead:
    """Another process reads a journal from byte `begin` to byte `end`, both beginnings of lines.

    It reads all of its part before it hands over the first piece, and ends with its reader.
    """

    def __init__(self, path: Path, begin: int, end: int, wanted: Wanted) -> None:
        self.begin, self.end = begin, end
        command = [sys.executable, "-P", "-m", "icot_tui.watch.bulk_reader"]
        self._process = subprocess.Popen(
            [*command, str(path), str(begin), str(end), wanted.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @classmethod
    def of(cls, journal: JournalReader, wanted: Wanted) -> "ReadAhead | None":
        """The later part of what there is of a journal; None where it is not worth a process."""
        if journal.size - journal.offset < WORTH:
            return None
        middle = JournalReader(journal.path)
        middle.skip_to(journal.offset + int(FIRST * (journal.size - journal.offset)))
        try:
            return cls(journal.path, middle.offset, journal.size, wanted)
        except OSError:  # no more processes: it is read here
            return None

    def parts(self, seconds: float) -> Iterator[tuple[int, list[Piece]]]:
        """(byte up to which it is read, pieces) of each part, as long as they come within a time.

        Raises:
            EOFError: there are no more.
        """
        pipe = self._process.stdout
        assert pipe is not None
        until = time.monotonic() + min(seconds, LONGEST_WAIT)
        while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            try:
                yield pickle.load(pipe)
            except pickle.UnpicklingError as error:
                raise EOFError(str(error)) from error

    def close(self) -> None:
        """End the process, and give back what it holds."""
        self._process.kill()
        self._process.communicate()


class BulkReader:
    """What is new in a journal, in pieces; of a long one, a second process reads the later part.

    A journal that is not there yet is empty.
    """

    def __init__(self, journal: JournalReader, wanted: Wanted = Wanted.VIEW) -> None:
        self.journal = journal
        self._wanted = wanted
        self._ahead: ReadAhead | None = None

    def parts(self, until: float) -> Iterator[list[Piece]]:
        """What there is to take in, as long as it comes until then on the monotonic clock."""
        journal = self.journal
        if journal.offset == 0 and self._ahead is None:
            self._ahead = ReadAhead.of(journal, self._wanted)
        if self._ahead is None:
            yield from self._read(journal.parts())
            return
        yield from self._read(journal.parts(self._ahead.begin))
        if journal.offset >= self._ahead.begin:
            try:
                for journal.offset, part in self._ahead.parts(until - time.monotonic()):
                    yield part
            except EOFError:  # all of it, or the other process died: the rest is read here
                self.close()

    def whole(self) -> Iterator[list[Piece]]:
        """All that there is now.

        Raises:
            OSError: the journal is there but can't be read.
        """
        self.journal.check()
        self.journal.look()
        with contextlib.closing(self):
            yield from self.parts(math.inf)
            while self._ahead is not None:
                yield from self.parts(math.inf)
            yield from self.parts(math.inf)  # what the other process left, if it died

    def _read(self, texts: Iterator[bytes]) -> Iterator[list[Piece]]:
        return (read(text, self._wanted) for text in texts)

    def close(self) -> None:
        """End the second process, if there is one."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None


if __name__ == "__main__":
    path, begin, end, wanted = sys.argv[1:]
    journal = JournalReader(Path(path), int(begin))
    journal.look()
    parts = [(journal.offset, read(text, Wanted[wanted])) for text in journal.parts(int(end))]
    with contextlib.suppress(BrokenPipeError):
        for part in parts:
            _Pickler(sys.stdout.buffer, protocol=5).dump(part)
