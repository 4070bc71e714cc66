"""One trial's trainer: a real `icot-tui train` or `resume` in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.existing_runs import Claim
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Trial
from icot_tui.studies.worker_slots import WorkerSlot

LAST_WORDS = 4000
"""Bytes of a log that the reason of a failure is looked for in."""


@dataclass(eq=False)
class Trainer:
    """A running process, and the place it takes."""

    place: WorkerSlot
    process: "subprocess.Popen[bytes]"
    log: Path
    log_start: int
    resumed: RunFolder | None

    def poll(self) -> int | None:
        """Its exit status, below 0 if it was killed; None while it is at work."""
        return self.process.poll()

    def stop(self, run: RunFolder | None) -> None:
        """Let it save and stop; a second time: at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def reason(self) -> str:
        """Why it failed, in one sentence."""
        status = self.process.returncode
        if status < 0:
            names = (known.name for known in signal.Signals if known == -status)
            return f"its trainer was killed ({next(names, f'signal {-status}')})"
        return last_error(self.log, self.log_start, status)


def start(
    study: StudyFolder, trial: Trial, place: WorkerSlot, claim: Claim, run: RunFolder | None
) -> Trainer:
    """Train a trial, or go on with its run.

    The trainer has a session of its own: signals for the study reach it through us alone. It
    inherits the claim, which is released here.

    Raises:
        UserError: its log can't be written.
    """
    log = study.log(trial)
    with _append(log) as file:
        began_at = file.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "icot_tui", *arguments(study, trial, run)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=os.environ | dict(place.environment),
            pass_fds=(claim.file,),
            start_new_session=True,
        )
    claim.release()
    return Trainer(place, process, log, began_at, run)


def arguments(study: StudyFolder, trial: Trial, run: RunFolder | None) -> list[str]:
    """The command line that trains a trial, or goes on with its run."""
    task = ["train", str(study.config(trial))] if run is None else ["resume", str(run.path)]
    return [*task, "--runs", str(study.runs), "--quiet"]


def last_error(log: Path, start: int, status: int) -> str:
    """The error that a trainer told last in its log, where what it printed begins at `start`."""
    with open(log, "rb") as file:
        file.seek(max(start, os.fstat(file.fileno()).st_size - LAST_WORDS))
        lines = file.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    return f"its trainer ended with status {status}; see {log}"


def _append(path: Path) -> IO[bytes]:
    try:
        return open(path, "ab")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}", 1) from error
