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
"""Commands that do not change what a training computes."""


@dataclass(frozen=True)
class TrialProgress:
    """How far a run got.

    ended       how it ended, unless it was resumed since
    altered_by  the command that changed what it computes, if any did
    """

    step: int = 0
    ended: RunEnded | None = None
    altered_by: str = ""

    @property
    def finished(self) -> bool:
        """Was the recipe carried out to its end?"""
        return self.ended is not None and self.ended.finished

    def after(self, event: Event) -> "TrialProgress":
        """The progress after the journal's next event."""
        ended = event if isinstance(event, RunEnded) else None
        altered_by = "" if isinstance(event, RunStarted) else self.altered_by  # it starts over
        if isinstance(event, CommandDone) and event.done and event.command not in HARMLESS:
            altered_by = event.command
        return TrialProgress(event.step, ended, altered_by)


@dataclass
class _IndexedRun:
    """What was read of a run: its config when it was written then, and its data files."""

    written: int
    digest: str
    files: tuple[str, ...]
    journal: JournalReader
    progress: TrialProgress = field(default_factory=TrialProgress)


class RunIndex:
    """Runs of a folder by the digests of their configs; configs and journals are read once."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._known: dict[Path, _IndexedRun] = {}

    def of(self, digest: str) -> list[RunFolder]:
        """The runs of a config, newest first."""
        return self.by_digest().get(digest, [])

    def by_digest(self) -> dict[str, list[RunFolder]]:
        """The runs of each config, newest first; without those whose data files changed since."""
        runs: dict[str, list[RunFolder]] = {}
        for run in RunFolder.all(self._runs):
            known = self._look_up(run)
            if known is not None and not any(_newer(file, known.written) for file in known.files):
                runs.setdefault(known.digest, []).append(run)
        return runs

    def progress(self, run: RunFolder) -> TrialProgress:
        """How far a run got; reads only what its journal gained since the last call."""
        known = self._look_up(run)
        if known is None:
            return TrialProgress()
        for _, event in known.journal.events():
            known.progress = known.progress.after(event)
        return known.progress

    def _look_up(self, run: RunFolder) -> _IndexedRun | None:
        try:
            written = os.stat(run.config).st_mtime_ns
        except OSError:
            return None
        known = self._known.get(run.path)
        if known is None or known.written != written:
            digest, files = _identity(run)
            known = self._known[run.path] = _IndexedRun(
                written, digest, files, JournalReader(run.journal)
            )
        return known


def _identity(run: RunFolder) -> tuple[str, tuple[str, ...]]:
    """Digest of a run's config, and its data files; empty if the config can't be read."""
    try:
        config = load_config(run.config).config
    except (UserError, OSError):  # damaged, or of another version
        return "", ()
    return digest_of(config), tuple(filter(None, (config.data.train, config.data.validation)))


def _newer(file: str, written: int) -> bool:
    """Was the file written after that? Then the run was trained on other data."""
    try:
        return os.stat(file).st_mtime_ns > written
    except OSError:
        return False


@dataclass(frozen=True)
class ExistingRuns:
    """Runs of a trial: a finished one, one that is training, or one that can be resumed."""

    finished: RunFolder | None = None
    at_work: RunFolder | None = None
    unfinished: RunFolder | None = None


def find_existing_runs(index: RunIndex, digest: str) -> ExistingRuns:
    """The best runs of a config; those that a command altered do not count."""
    furthest: tuple[int, RunFolder] | None = None
    at_work: RunFolder | None = None
    for run in index.of(digest):
        progress = index.progress(run)
        if progress.altered_by:
            continue
        if progress.finished:
            return ExistingRuns(finished=run)
        if run.is_locked():
            at_work = at_work or run
        elif furthest is None or progress.step > furthest[0]:
            furthest = progress.step, run
    return ExistingRuns(None, at_work, None if furthest is None else furthest[1])


class TrainingLock:
    """The lock of a training; its trainer inherits it, so that an orphan holds it to its end."""

    def __init__(self, file: int) -> None:
        self.file = file

    def release(self) -> None:
        """Close our end; a trainer that still runs goes on holding the lock."""
        with contextlib.suppress(OSError):
            os.close(self.file)


def lock_training(runs: Path, digest: str) -> TrainingLock | None:
    """Take the lock of a training; None while another trainer, perhaps an orphan, holds it.

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
    return TrainingLock(file)
