"""Summaries of runs, kept in the user's cache so that no journal is read twice.

An entry is believed only as far as the files say that it holds: a journal with the same identity,
size and times as then has the summary of then; one that only grew is read from where the last
reading ended; any other is read anew. Without a cache that can be written, all are read.
"""

import contextlib
import os
import sqlite3
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from icot_tui.data.cache import cache_folder
from icot_tui.engine.journal.events import NextTokensProbed
from icot_tui.engine.journal.metrics import Evaluation, SpikeSummary
from icot_tui.engine.journal.summary import SummaryState

FILE = "runs.sqlite"
TAIL_BYTES = 256
"""Of what was read, so much of the end is compared before a journal counts as grown."""
SPIKES = 8
"""Of the last spikes, what a list of runs shows depends on."""


class FileStamp(msgspec.Struct, frozen=True, array_like=True):
    """A file as it was: another content has another stamp."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "FileStamp | None":
        """None for a file that is not there."""
        try:
            at = os.stat(path)
        except OSError:
            return None
        return cls(at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)


class ConfigFacts(msgspec.Struct, frozen=True):
    """A run's config as plain values by dotted key; `problem` says why it can't be read."""

    values: dict[str, Any]
    description: str = ""
    problem: str | None = None


class CachedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a run.

    Attributes:
        config_stamp, journal_stamp: the files before they were read.
        config: what the config says.
        offset: bytes of the journal that were read, and `tail` the last ones of these.
        state: the summary, of whose lists the last evaluation and last spikes alone.
    """

    config_stamp: FileStamp | None
    config: ConfigFacts
    journal_stamp: FileStamp | None
    offset: int
    tail: bytes
    state: SummaryState


Lists = tuple[list[Evaluation], list[SpikeSummary], list[NextTokensProbed]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CachedSummary).decode
_decode_lists = msgspec.msgpack.Decoder(Lists).decode


class SummaryCache:
    """The entries of one folder of runs; whatever fails, there are none."""

    def __init__(self, runs: Path) -> None:
        self._runs = os.path.abspath(runs)
        self._database: sqlite3.Connection | None = None
        try:
            folder = cache_folder()
            folder.mkdir(parents=True, exist_ok=True)
            self._database = _opened(folder / FILE)
        except sqlite3.DatabaseError:  # damaged: the next one begins a new file
            with contextlib.suppress(OSError):
                (folder / FILE).unlink()
        except OSError:
            pass

    def entries(self, name: str | None = None) -> dict[str, CachedSummary]:
        """What is known of the runs by their folders' names, or of one of them."""
        wanted = (self._runs,) if name is None else (self._runs, name)
        query = "SELECT name, entry FROM summaries WHERE runs = ?" + " AND name = ?" * bool(name)
        found = {}
        for each, entry in self._ask(query, *wanted):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                found[each] = _decode(entry)
        return found

    def lists(self, name: str, offset: int) -> Lists | None:
        """The lists of a run's entry; None where it was replaced meanwhile."""
        query = "SELECT lists FROM summaries WHERE runs = ? AND name = ? AND offset = ?"
        for (lists,) in self._ask(query, self._runs, name, offset):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                found: Lists = _decode_lists(lists)
                return found
        return None

    def keep(self, name: str, entry: CachedSummary) -> None:
        """Store an entry, whose state has all of its lists."""
        metrics = entry.state.metrics
        lists = metrics.evaluations, metrics.spikes, metrics.probed
        short = replace(metrics, evaluations=lists[0][-1:], spikes=lists[1][-SPIKES:], probed=[])
        entry = msgspec.structs.replace(entry, state=replace(entry.state, metrics=short))
        with contextlib.suppress(ValueError, OverflowError, TypeError):  # odd texts, huge numbers
            row = (self._runs, name, entry.offset, _encode(entry), _encode(lists))
            self._ask("REPLACE INTO summaries VALUES (?, ?, ?, ?, ?)", *row)

    def forget_missing(self) -> None:
        """Drop what is known of folders that are gone."""
        for (runs,) in self._ask("SELECT DISTINCT runs FROM summaries"):
            if not os.path.isdir(runs):
                self._ask("DELETE FROM summaries WHERE runs = ?", runs)

    def forget(self, name: str) -> None:
        """Drop an entry, of a run that is gone."""
        self._ask("DELETE FROM summaries WHERE runs = ? AND name = ?", self._runs, name)

    def _ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._database is None:
            return []
        try:
            return self._database.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeEncodeError):  # locked, full, damaged, or an odd name
            return []


def _opened(path: Path) -> sqlite3.Connection:
    """The database, empty if another version of the code wrote it."""
    database = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
    version = _code_version()
    if database.execute("PRAGMA user_version").fetchone()[0] != version:
        database.executescript(
            "BEGIN; DROP TABLE IF EXISTS summaries;"
            "CREATE TABLE summaries (runs TEXT, name TEXT, offset INTEGER, entry BLOB, lists BLOB,"
            f" PRIMARY KEY (runs, name)); PRAGMA user_version = {version}; COMMIT;"
        )
    database.execute("PRAGMA synchronous = OFF")  # what a crash loses is read again
    return database


def _code_version() -> int:
    """Changes with every file that decides what a config or a journal means."""
    package = Path(__file__).parents[1]
    files = (*(package / "config").glob("*.py"), *(package / "engine" / "journal").glob("*.py"))
    written = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return zlib.crc32(repr(written).encode()) & 0x7FFFFFFF
