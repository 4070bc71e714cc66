"""Which runs there are of a trial: found by what they train, not by their names."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from icot_tui.config import load_config
from icot_tui.engine.events import CommandDone, RunEnded, RunStarted
from icot_tui.engine.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.folder import STUDIES
from icot_tui.studies.plan import digest_of

HARMLESS = {"pause", "resume", "evaluate", "save", "stop"}
"""Commands that leave a training what it would have been."""


class RunIndex:
    """Runs of a folder by their configs' digests; each config is read once."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._digests: dict[Path, tuple[int, str]] = {}

    def of(self, digest: str) -> list[RunFolder]:
        """The runs of a training, the newest first."""
        return self.by_digest().get(digest, [])

    def by_digest(self) -> dict[str, list[RunFolder]]:
        """The runs of each training, the newest first."""
        runs: dict[str, list[RunFolder]] = {}
        for run in RunFolder.all(self._runs):
            runs.setdefault(self._digest(run), []).append(run)
        return runs

    def _digest(self, run: RunFolder) -> str:
        try:
            written = os.stat(run.config).st_mtime_ns
        except OSError:
            return ""
        known = self._digests.get(run.path)
        if known is None or known[0] != written:
            known = self._digests[run.path] = written, _digest_of(run)
        return known[1]


def _digest_of(run: RunFolder) -> str:
    """The digest of a run's config; none of one that is damaged or of another version."""
    try:
        return digest_of(load_config(run.config).config)
    except (UserError, OSError):
        return ""


@dataclass(frozen=True)
class Progress:
    """How far a run got: `ended` unless it was resumed since; `touched` by a command."""

    started: bool
    step: int
    ended: RunEnded | None
    touched: bool

    @property
    def finished(self) -> bool:
        """Was the recipe carried out to its end?"""
        return self.ended is not None and self.ended.finished


def progress(run: RunFolder) -> Progress:
    """Read a run's journal."""
    step, ended, started, touched = 0, None, False, False
    for _, event in JournalReader(run.journal).events():
        step = event.step
        started = started or isinstance(event, RunStarted)
        ended = event if isinstance(event, RunEnded) else None
        if isinstance(event, RunStarted):
            touched = False  # it began anew
        if isinstance(event, CommandDone) and event.done and event.command not in HARMLESS:
            touched = True
    return Progress(started, step, ended, touched)


@dataclass(frozen=True)
class Found:
    """What there is of a trial: a finished run, one at work, or one to go on with."""

    finished: RunFolder | None = None
    at_work: RunFolder | None = None
    unfinished: RunFolder | None = None


def look_for(index: RunIndex, digest: str) -> Found:
    """The best run of a training; those that somebody stepped into are not it."""
    unfinished: tuple[int, RunFolder] | None = None
    at_work: RunFolder | None = None
    for run in index.of(digest):
        so_far = progress(run)
        if so_far.touched:
            continue
        if so_far.finished:
            return Found(finished=run)
        if run.is_locked():
            at_work = at_work or run
        elif unfinished is None or so_far.step > unfinished[0]:
            unfinished = so_far.step, run
    return Found(None, at_work, None if unfinished is None else unfinished[1])


class Claim:
    """Holds a training's lock; its trainer inherits it, so that an orphan keeps it to its end."""

    def __init__(self, file: int) -> None:
        self.file = file

    def release(self) -> None:
        """Close our end; a trainer that still runs goes on holding it."""
        with contextlib.suppress(OSError):
            os.close(self.file)


def claim(runs: Path, digest: str) -> Claim | None:
    """Take a training's lock; None while another trainer, perhaps an orphan, is at work on it.

    Raises:
        UserError: the lock can't be written.
    """
    folder = runs / STUDIES / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / digest, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return Claim(file)


def running(index: RunIndex, digests: list[str]) -> Iterator[RunFolder]:
    """The runs of these trainings that have a trainer."""
    for digest in digests:
        yield from (run for run in index.of(digest) if run.is_locked())
