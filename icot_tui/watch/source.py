"""Where a view gets a run's news from: its files while it is written, or a replay of them."""

import time
from typing import Protocol

from icot_tui.config import RunConfig
from icot_tui.config.loading import load_config
from icot_tui.engine.run_folder import RunFolder
from icot_tui.engine.summary import Status
from icot_tui.errors import UserError
from icot_tui.watch.history import History
from icot_tui.watch.reading import JournalFile, fold


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
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._config = run_config(folder)
        self._history = History(self._config)
        self._journal = JournalFile(folder.journal)

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
        for part in self._journal.parts():
            fold(self._history, part)
            if time.monotonic() >= until:
                break
        return self._history.version != version

    def status(self, now: float) -> Status:
        """What the run does."""
        return self._history.summary.status(self.folder.is_locked(), now)

    def silence(self, now: float) -> float | None:
        """Seconds since the last news; None before any."""
        last = self._history.summary.last_news
        return None if last is None else max(0.0, now - last)

    def now(self) -> float:
        """The time of day."""
        return time.time()

    def _begin_again(self) -> None:
        self._config = run_config(self.folder)
        self._history = History(self._config, self._history.version + 1)
        self._journal.forget()


def run_config(folder: RunFolder) -> RunConfig | None:
    """A run's config; None where it is missing or damaged."""
    try:
        return load_config(folder.config).config
    except (UserError, OSError, ValueError):
        return None
