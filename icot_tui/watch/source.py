"""Where a view gets a run's news from: its files while it is written, or a replay of them."""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import Status
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.bulk_reader import BulkReader, Piece, fold, read
from icot_tui.watch.history import History
from icot_tui.watch.run_reader import run_config

LONGEST_PAUSE = 30.0
"""Seconds; a longer gap between two lines is played as one of this length."""

_TIME = re.compile(rb'\{"time":(\d+(?:\.\d+)?),')


class Source(ABC):
    """A run and its news.

    Attributes:
        folder: the run's folder.
        history: all that is known so far; another object once the journal was replaced or rewound.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._config = run_config(folder)
        self.history = History(self._config)
        self._journal = JournalReader(folder.journal)

    @property
    @abstractmethod
    def caught_up(self) -> bool:
        """Is all known that is there?"""

    @property
    @abstractmethod
    def progress(self) -> float:
        """The share that was read, from 0 to 1."""

    @abstractmethod
    def status(self, now: float) -> Status:
        """What the run does."""

    @abstractmethod
    def now(self) -> float:
        """The source's clock, in seconds since the epoch."""

    @abstractmethod
    def _parts(self, until: float) -> Iterator[list[Piece]]:
        """What there is to take in, as long as it comes until then on the monotonic clock."""

    def poll(self, seconds: float = 0.05) -> bool:
        """Read news for at most about so long; was there any?"""
        until = time.monotonic() + seconds
        version = self.history.version
        if not self._journal.look():
            self._begin_again()
        for part in self._parts(until):
            fold(self.history, part)
            if time.monotonic() >= until:
                break
        return self.history.version != version

    def silence(self, now: float) -> float | None:
        """Seconds since the last news; None before any."""
        last = self.history.summary.last_event_time
        return None if last is None else max(0.0, now - last)

    def _begin_again(self) -> None:
        self.history = History(self._config, self.history.version + 1)
        self._journal.offset = 0


class RunFollower(Source):
    """A run's journal, from its start and as it grows.

    One that was replaced or became shorter is read anew.
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self._bulk = BulkReader(self._journal)

    @property
    def caught_up(self) -> bool:
        """Is all read that was there at the last look? A torn last line does not count."""
        return self._journal.done

    @property
    def progress(self) -> float:
        journal = self._journal
        return 1.0 if journal.done else journal.offset / max(1, journal.size)

    def status(self, now: float) -> Status:
        since = self.folder.locked_since()
        return self.history.summary.status(since is not None, now, since or 0.0)

    def now(self) -> float:
        return time.time()

    def _parts(self, until: float) -> Iterator[list[Piece]]:
        return self._bulk.parts(until)

    def _begin_again(self) -> None:
        self._config = run_config(self.folder)
        super()._begin_again()
        self._bulk.close()


class Replay(Source):
    """Plays what stands in a run's journal now, by a clock of its own.

    Places in the replay are seconds since its beginning, with long gaps shortened. Building one
    reads the journal once for its times, about a second for a million lines.

    Args:
        folder: the run.
        speed: seconds of the run in one of ours.
        clock: seconds that pass, for tests.

    Attributes:
        speed, paused: of the replay; `change` changes them.
    """

    def __init__(
        self, folder: RunFolder, speed: float = 20.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(folder)
        self._times, self._ends = _index(folder)
        gaps = np.clip(np.diff(self._times, prepend=self._times[:1]), 0.0, LONGEST_PAUSE)
        self._places = np.cumsum(gaps)
        self._clock = clock
        self.speed = max(0.0, speed)
        self.paused = False
        self._from = 0.0  # the place at `_since`
        self._since = clock()

    @property
    def length(self) -> float:
        """Seconds the whole replay takes at speed 1."""
        return float(self._places[-1]) if len(self._places) else 0.0

    @property
    def place(self) -> float:
        """Where it is, in seconds from 0 to `length`."""
        passed = 0.0 if self.paused else (self._clock() - self._since) * self.speed
        return min(self.length, self._from + passed)

    def change(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        """Go on from the present place at another speed, or pause, or no longer."""
        self._from, self._since = self.place, self._clock()
        self.speed = self.speed if speed is None else max(0.0, speed)
        self.paused = self.paused if paused is None else paused

    @property
    def ended(self) -> bool:
        return self.place >= self.length

    def seek(self, place: float) -> None:
        """Go to a place; `poll` then reads up to it, from the start when it lies behind."""
        self._from, self._since = min(max(place, 0.0), self.length), self._clock()
        if self._journal.offset > self._due():
            self._begin_again()

    @property
    def caught_up(self) -> bool:
        """Is all read up to the present place?"""
        return self._journal.offset >= self._due()

    @property
    def progress(self) -> float:
        """The share that was read of what lies before the present place."""
        due = self._due()
        return min(1.0, self._journal.offset / due) if due else 1.0

    def status(self, now: float) -> Status:
        """What the run did then; a run that died is dead at the end."""
        return self.history.summary.status(not self.ended, now)

    def now(self) -> float:
        """The replayed time, in seconds since the epoch."""
        if not len(self._times):
            return 0.0
        place = self.place
        line = max(0, self._line(place))
        return float(self._times[line]) + place - float(self._places[line])

    def _parts(self, until: float) -> Iterator[list[Piece]]:
        return map(read, self._journal.parts(self._due()))

    def _due(self) -> int:
        """Bytes of the journal that were written by the present place."""
        line = self._line(self.place)
        return int(self._ends[line]) if line >= 0 else 0

    def _line(self, place: float) -> int:
        """The last line that was written by a place; -1 before the first."""
        return int(np.searchsorted(self._places, place, side="right")) - 1


def line_times(lines: list[bytes]) -> NDArray[np.float64]:
    """[lines] when each line was written; NaN where it does not say so in the usual way."""
    found = map(_TIME.match, lines)
    return np.array([float(time[1]) if time else np.nan for time in found])


def _index(folder: RunFolder) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(when each line was written, where in the file it ends)."""
    journal = JournalReader(folder.journal)
    journal.look()
    times, ends = [np.zeros(0)], [np.zeros(0, np.int64)]
    for part in journal.parts():
        lines = part.split(b"\n")[:-1]
        times.append(line_times(lines))
        lengths = np.array([len(line) + 1 for line in lines], dtype=np.int64)
        ends.append(journal.offset - len(part) + np.cumsum(lengths))
    when, end = np.concatenate(times), np.concatenate(ends)
    # A line without a time was written when the one before it was; clocks may be set back.
    known = np.fmax.accumulate(when) if len(when) else when
    return np.where(np.isnan(known), known[~np.isnan(known)][:1].sum(), known), end
