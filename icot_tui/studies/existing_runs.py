"""Which runs there are of a trial: found by what they train, not by their names."""

import contextlib
import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path

from icot_tui.config import load_config
from icot_tui.engine.journal.events import CommandDone, Event, RunEnded, RunStarted
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.folder import STUDIES
from icot_tui.studies.plan import digest_of

HARMLESS = {"pause", "resume", "evaluate", "save", "stop"}
"""Commands that leave a training what it would have been."""


@dataclass(frozen=True)
class Progress:
    """How far a run got: `ended` unless it was resumed since; `touched` by this command, if any."""

    step: int = 0
    ended: RunEnded | None = None
    touched: str = ""

    @property
    def finished(self) -> bool:
        """Was the recipe carried out to its end?"""
        return self.ended is not None and self.ended.finished

    def after(self, event: Event) -> "Progress":
        """What it is after the journal's next event."""
        ended = event if isinstance(event, RunEnded) else None
        touched = "" if isinstance(event, RunStarted) else self.touched  # or it began anew
        if isinstance(event, CommandDone) and event.done and event.command not in HARMLESS:
            touched = event.command
        return Progress(event.step, ended, touched)


@dataclass
class _Known:
    """What was read of a run whose config was written then; `files` is what it trains on."""

    written: int
    digest: str
    files: tuple[str, ...]
    journal: JournalReader
    progress: Progress = field(default_factory=Progress)


class RunIndex:
    """Runs of a folder by their configs' digests; configs and journals are read once."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._known: dict[Path, _Known] = {}

    def of(self, digest: str) -> list[RunFolder]:
        """The runs of a training, the newest first."""
        return self.by_digest().get(digest, [])

    def by_digest(self) -> dict[str, list[RunFolder]]:
        """The runs of each training, the newest first; without those whose data changed since."""
        runs: dict[str, list[RunFolder]] = {}
        for run in RunFolder.all(self._runs):
            known = self._look_up(run)
            if known is not None and not any(_newer(file, known.written) for file in known.files):
                runs.setdefault(known.digest, []).append(run)
        return runs

    def progress(self, run: RunFolder) -> Progress:
        """How far a run got; only what its journal gained since the last time is read."""
        known = self._look_up(run)
        if known is None:
            return Progress()
        for _, event in known.journal.events():
            known.progress = known.progress.after(event)
        return known.progress

    def _look_up(self, run: RunFolder) -> _Known | None:
        try:
            written = os.stat(run.config).st_mtime_ns
        except OSError:
            return None
        known = self._known.get(run.path)
        if known is None or known.written != written:
            digest, files = _identity(run)
            known = self._known[run.path] = _Known(
                written, digest, files, JournalReader(run.journal)
            )
        return known


def _identity(run: RunFolder) -> tuple[str, tuple[str, ...]]:
    """The digest of a run's config, and its data files; none of a config that can't be read."""
    try:
        config = load_config(run.config).config
    except (UserError, OSError):  # damaged, or of another version
        return "", ()
    return digest_of(config), tuple(filter(None, (config.data.train, config.data.validation)))


def _newer(file: str, written: int) -> bool:
    """Was the file written after that? Then a run of that time was trained on something else."""
    try:
        return os.stat(file).st_mtime_ns > written
    except OSError:
        return False


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
        so_far = index.progress(run)
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
