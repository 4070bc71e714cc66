"""Where a view gets a run's news from: its files while it is written, or a replay of them."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator

from icot_tui.config import RunConfig
from icot_tui.config.loading import load_config
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import Status
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.watch.bulk_reader import Piece, ReadAhead, fold, read
from icot_tui.watch.history import History


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

    A journal that is not there yet is empty; one that was replaced or became shorter is read anew.
    Of a long one, a second process reads the later part.
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self._ahead: ReadAhead | None = None

    @property
    def caught_up(self) -> bool:
        """Is all read that was there at the last look? A torn last line does not count."""
        return self._journal.done

    @property
    def progress(self) -> float:
        journal = self._journal
        return 1.0 if journal.done else journal.offset / max(1, journal.size)

    def status(self, now: float) -> Status:
        return self.history.summary.status(self.folder.is_locked(), now)

    def now(self) -> float:
        return time.time()

    def _parts(self, until: float) -> Iterator[list[Piece]]:
        journal = self._journal
        if journal.offset == 0 and self._ahead is None:
            self._ahead = ReadAhead.of(journal)
        if self._ahead is None:
            yield from map(read, journal.parts())
            return
        yield from map(read, journal.parts(self._ahead.begin))
        if journal.offset >= self._ahead.begin:
            try:
                for journal.offset, part in self._ahead.parts(until - time.monotonic()):
                    yield part
            except EOFError:  # all of it, or the other process died: the rest is read here
                self._stop_reading_ahead()

    def _begin_again(self) -> None:
        self._config = run_config(self.folder)
        super()._begin_again()
        self._stop_reading_ahead()

    def _stop_reading_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None


def run_config(folder: RunFolder) -> RunConfig | None:
    """A run's config; None where it is missing or damaged."""
    try:
        return load_config(folder.config).config
    except (UserError, OSError, ValueError):
        return None
