"""Which runs there are of a trial: found by what they train, not by their names."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from icot_tui.config import RunConfig, default_separator, load_config
from icot_tui.engine.journal.events import CommandDone, Event, RunEnded, RunResumed, RunStarted
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.folder import STUDIES, take_lock
from icot_tui.studies.plan import digest_of

HARMLESS = {"pause", "resume", "evaluate", "save", "stop"}
"""Commands that do not change what a training computes."""


@dataclass(frozen=True)
class TrialProgress:
    """How far a run got.

    ended       how it ended, unless it was resumed since
    altered_by  what changed what it computes: a command, or a resume with other settings; or ""
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
            altered_by = f"the command {event.command}"
        if isinstance(event, RunResumed) and event.changes:
            altered_by = "a resume with other settings"
        return TrialProgress(event.step, ended, altered_by)


class _IndexedRun:
    """A run whose config was written at a time: its config's digest, data files and progress."""

    def __init__(self, run: RunFolder, written: int) -> None:
        self.written = written
        self.journal = JournalReader(run.journal)
        self.progress = TrialProgress()
        self.digest, self.files = "", list[str]()
        with contextlib.suppress(UserError, OSError):  # damaged, or of another version
            config = load_config(run.config).config
            self.digest = digest_of(_as_trained(config))
            self.files = [file for file in (config.data.train, config.data.validation) if file]


def _as_trained(config: RunConfig) -> RunConfig:
    """A run's config with what runs of 0.1 don't say."""
    if config.data.separator is not None or default_separator(config) is None:
        return config
    data = config.data.model_copy(update={"separator": "eos"})
    return config.model_copy(update={"data": data})


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
            known = self._known[run.path] = _IndexedRun(run, written)
        return known


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

    @property
    def best(self) -> RunFolder | None:
        """The one that got furthest."""
        return self.finished or self.at_work or self.unfinished


def find_existing_runs(index: RunIndex, digest: str) -> ExistingRuns:
    """The best runs of a config; those that were altered do not count."""
    at_work: RunFolder | None = None
    unfinished: dict[RunFolder, int] = {}
    for run in index.of(digest):
        progress = index.progress(run)
        if progress.altered_by:
            continue
        if progress.finished:
            return ExistingRuns(finished=run)
        if run.is_locked():
            at_work = at_work or run
        else:
            unfinished[run] = progress.step
    furthest = max(unfinished, key=lambda run: unfinished[run], default=None)
    return ExistingRuns(at_work=at_work, unfinished=furthest)


def lock_training(runs: Path, digest: str) -> IO[str] | None:
    """Take the lock of a training; None while another trainer, perhaps an orphan, holds it.

    Trainers inherit it, so that an orphan holds it to its end.

    Raises:
        UserError: the lock can't be written.
    """
    return take_lock(runs / STUDIES / ".locks" / digest)
