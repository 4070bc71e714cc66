"""What a run's config and journal say in brief, read once and then kept up to date."""

import math
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import REWINDS, RunSummary
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.files import open_file
from icot_tui.watch.bulk_reader import BulkReader, Piece, Wanted, fold
from icot_tui.watch.summary_cache import (
    TAIL_BYTES,
    CachedSummary,
    ConfigFacts,
    FileStamp,
    SummaryCache,
)

if TYPE_CHECKING:
    from icot_tui.config import RunConfig

WORTH = 256 << 10
"""Bytes of news that are worth another entry in the cache, unless the run has ended."""
NO_CONFIG = ConfigFacts({})


class RunReader:
    """A run's summary, with as little reading as possible.

    Attributes:
        folder: of the run.
        summary: so far; its lists are whole only after `read(whole=True)`.
        facts: what its config says.
        problem: what can't be read, in a sentence.
        behind: is part of the journal unread yet?
    """

    def __init__(
        self, folder: RunFolder, cache: SummaryCache, entry: CachedSummary | None = None
    ) -> None:
        self.folder = folder
        self._cache = cache
        self.behind = True
        self._config_stamp: FileStamp | None = None
        self.facts = NO_CONFIG
        self._bulk = BulkReader(JournalReader(folder.journal), Wanted.SUMMARY)
        self._begin(entry)

    @cached_property
    def config(self) -> "RunConfig | None":
        """The whole config, read when it is asked for; None where it is damaged."""
        return run_config(self.folder)

    @property
    def problem(self) -> str | None:
        return self.facts.problem or self._unreadable

    @property
    def method(self) -> str:
        """The method, as the journal names it, or else the config."""
        facts = self.summary.facts
        return str(self.facts.values.get("method.name", "")) if facts is None else facts.method

    def status(self, now: float) -> str:
        """What the run does, or that its folder is damaged."""
        if self.problem is not None:
            return "damaged"
        since = self.folder.locked_since()
        return self.summary.status(since is not None, now, since or 0.0)

    def read(self, until: float = math.inf, whole: bool = False) -> None:
        """Read news until a time on the monotonic clock; `whole` also recalls all lists."""
        if not self._journal.look() or FileStamp.of(self.folder.config) != self._config_stamp:
            self._begin(None)
        stamp = FileStamp.of(self.folder.journal)
        self._journal.look()
        if whole or self._journal.offset < self._journal.size:
            self._recall()
        self.behind = self._journal.offset < self._journal.size
        while self.behind and time.monotonic() < until:
            self.behind = self._read_on(until)
        if not self.behind:
            self._keep(stamp)

    def close(self) -> None:
        self._bulk.close()

    def _begin(self, entry: CachedSummary | None) -> None:
        """Start from an entry, as far as it holds, or from nothing."""
        self.close()
        stamp = FileStamp.of(self.folder.config)
        if entry is not None and entry.config_stamp == stamp:
            self.facts = entry.config
        elif stamp != self._config_stamp or self.facts is NO_CONFIG:
            self.facts = read_facts(self.folder.config)
            self.__dict__.pop("config", None)
        self._config_stamp = stamp
        self._journal = JournalReader(self.folder.journal)
        self._bulk = BulkReader(self._journal, Wanted.SUMMARY)
        self.summary, self._unreadable = RunSummary(), None
        self._entry, self._kept, self._unkept, self._short = None, 0, True, False
        if entry is not None and self._holds(entry):
            self.summary = RunSummary.continuing(entry.state)
            self._journal.offset = self._kept = entry.offset
            self._entry, self._unkept, self._short = entry, entry.config_stamp != stamp, True
        else:
            try:
                self._journal.check()
            except OSError as error:
                self._unreadable = f"{self.folder.journal} cannot be read: {error.strerror}"

    def _holds(self, entry: CachedSummary) -> bool:
        """Is the journal the one of the entry, or did it only grow?"""
        then, now = entry.journal_stamp, FileStamp.of(self.folder.journal)
        if then is None or now is None or now == then:
            return now == then
        same = (then.device, then.inode) == (now.device, now.inode)
        return same and now.size > then.size and _tail(self._journal, entry.offset) == entry.tail

    def _recall(self) -> None:
        """Bring back the lists that the cache left out."""
        if self._entry is None or not self._short:
            return
        lists = self._cache.lists(self.folder.name, self._entry.offset)
        if lists is None:
            self._begin(None)
        else:
            metrics = self.summary.metrics
            metrics.evaluations, metrics.spikes, metrics.probed = lists
            self._short = False

    def _read_on(self, until: float) -> bool:
        """Take in parts until a time; is there more to read?"""
        for part in self._bulk.parts(until):
            if self._entry is not None and any(map(_goes_back, part)):
                self._begin(None)  # the marks that it goes back to are not known
                self._journal.look()
                return True
            fold(self.summary, part)
            if time.monotonic() >= until:
                break
        return self._journal.offset < self._journal.size and not self._journal.done

    def _keep(self, stamp: FileStamp | None) -> None:
        """Store what was read, if that is worth it."""
        journal = self._journal
        news = journal.offset - self._kept
        if self._short or self._unreadable:
            return
        if self._unkept or news > (0 if self.summary.ended else WORTH):
            entry = CachedSummary(
                config_stamp=self._config_stamp,
                config=self.facts,
                journal_stamp=stamp,
                offset=journal.offset,
                tail=_tail(journal, journal.offset),
                state=self.summary.state,
            )
            self._cache.keep(self.folder.name, entry)
            self._kept, self._unkept = journal.offset, False


def _goes_back(piece: Piece) -> bool:
    return isinstance(piece, tuple) and isinstance(piece[1], REWINDS)


def run_config(folder: RunFolder) -> "RunConfig | None":
    """A run's config; None where it is missing or damaged."""
    from icot_tui.config.loading import load_resolved

    try:
        return load_resolved(folder.config)
    except (UserError, OSError, ValueError):
        return None


def read_facts(path: Path) -> ConfigFacts:
    """A run's config as plain values."""
    from icot_tui.config.loading import load_resolved
    from icot_tui.config.toml import leaves

    try:
        config = load_resolved(path)
    except (UserError, OSError, ValueError) as error:
        return ConfigFacts({}, problem=str(error))
    values = {".".join(map(str, key)): value for key, value in leaves(config.model_dump())}
    del values["name"], values["description"]
    return ConfigFacts(values, config.description)


def _tail(journal: JournalReader, offset: int) -> bytes:
    """The last bytes before an offset."""
    try:
        with open(open_file(journal.path), "rb") as file:
            file.seek(max(0, offset - TAIL_BYTES))
            return file.read(min(offset, TAIL_BYTES))
    except OSError:
        return b""
