"""Where a view gets a run's news from: its files while it is written, or a replay of them."""

import time
from collections.abc import Iterator
from typing import Protocol

from icot_tui.config import RunConfig
from icot_tui.config.loading import load_config
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import Status
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.watch.bulk_reader import Piece, fold, read
from icot_tui.watch.history import History
from icot_tui.watch.parallel_reader import ReadAhead


class Source(Protocol):
    """A run and its news.

    Attributes:
        folder: the run's folder.
    """

    folder: RunFolder

    @property
    def history(self) -> History:
        """All that is known so far; another object once the journal was replaced or rewound."""
        ...

    @property
    def caught_up(self) -> bool:
        """Is all known that is there?"""
        ...

    @property
    def progress(self) -> float:
        """The share that was read, from 0 to 1."""
        ...

    def poll(self, seconds: float = 0.05) -> bool:
        """Read news for at most about so long; was there any?"""
        ...

    def status(self, now: float) -> Status:
        """What the run does."""
        ...

    def silence(self, now: float) -> float | None:
        """Seconds since the last news; None before any."""
        ...

    def now(self) -> float:
        """The source's clock, in seconds since the epoch."""
        ...


class RunFollower:
    """A run's journal, from its start and as it grows; a `Source`.

    A journal that is not there yet is empty; one that was replaced or became shorter is read anew.
    Of a long one, a second process reads the later part.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._config = run_config(folder)
        self._history = History(self._config)
        self._journal = JournalReader(folder.journal)
        self._ahead: ReadAhead | None = None

    @property
    def history(self) -> History:
        """All that is known so far."""
        return self._history

    @property
    def caught_up(self) -> bool:
        """Is all read that was there at the last look? A torn last line does not count."""
        return self._journal.done

    @property
    def progress(self) -> float:
        """The share of the file that was read, from 0 to 1."""
        journal = self._journal
        return 1.0 if journal.done else journal.offset / max(1, journal.size)

    def poll(self, seconds: float = 0.05) -> bool:
        """Read news for at most about so long; was there any?"""
        until = time.monotonic() + seconds
        version = self._history.version
        if not self._journal.look():
            self._begin_again()
        if self._journal.offset == 0 and self._ahead is None:
            self._ahead = ReadAhead.of(self._journal)
        for part in self._parts(until):
            fold(self._history, part)
            if time.monotonic() >= until:
                break
        return self._history.version != version

    def _parts(self, until: float) -> Iterator[list[Piece]]:
        """What there is to take in, as long as it comes until then."""
        journal, ahead = self._journal, self._ahead
        if ahead is None:
            yield from map(read, journal.parts())
            return
        yield from map(read, journal.parts(ahead.begin))
        if journal.offset >= ahead.begin:
            try:
                for journal.offset, part in ahead.parts(until - time.monotonic()):
                    yield part
            except EOFError:  # all of it, or the other process died: the rest is read here
                self._stop_reading_ahead()

    def status(self, now: float) -> Status:
        """What the run does."""
        return self._history.summary.status(self.folder.is_locked(), now)

    def silence(self, now: float) -> float | None:
        """Seconds since the last news; None before any."""
        last = self._history.summary.last_event_time
        return None if last is None else max(0.0, now - last)

    def now(self) -> float:
        """The time of day."""
        return time.time()

    def _begin_again(self) -> None:
        self._config = run_config(self.folder)
        self._history = History(self._config, self._history.version + 1)
        self._journal.offset = 0
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
