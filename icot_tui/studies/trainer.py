"""One trial's trainer: a real `icot-tui train` or `resume` in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.found import Claim
from icot_tui.studies.places import Place
from icot_tui.studies.plan import Trial

LAST_WORDS = 4000
"""Bytes of a log that the reason of a failure is looked for in."""


@dataclass(eq=False)
class Trainer:
    """A running process, the trial's lock that it inherited, and the place it takes."""

    trial: Trial
    place: Place
    claim: Claim
    process: "subprocess.Popen[bytes]"
    log: Path
    log_start: int
    resumed: RunFolder | None
    began: float = field(default_factory=time.time)

    def reason(self) -> str:
        """Why it failed, in one sentence."""
        status = self.process.returncode
        if status < 0:
            return f"its trainer was killed ({signal.Signals(-status).name})"
        with open(self.log, "rb") as file:
            file.seek(max(self.log_start, os.fstat(file.fileno()).st_size - LAST_WORDS))
            lines = file.read().decode(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        if errors:
            return errors[-1].removeprefix("error: ")
        return f"its trainer ended with status {status}; see {self.log}"


def start(
    study: StudyFolder, trial: Trial, place: Place, claim: Claim, run: RunFolder | None
) -> Trainer:
    """Train a trial, or go on with its run.

    The trainer has a session of its own: signals for the study reach it through us alone.

    Raises:
        UserError: its log can't be written.
    """
    where = ["--runs", str(study.runs), "--quiet"]
    task = ["train", str(study.config(trial))] if run is None else ["resume", str(run.path)]
    log = study.log(trial)
    with _append(log) as file:
        began_at = file.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "icot_tui", *task, *where],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=os.environ | dict(place.environment),
            pass_fds=(claim.file,),
            start_new_session=True,
        )
    return Trainer(trial, place, claim, process, log, began_at, run)


def _append(path: Path) -> IO[bytes]:
    try:
        return open(path, "ab")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}", 1) from error
