"""The study folder: what was planned, what became of each trial, and the results.

study.toml      the study as it was when it began
plan.json       its trials: names, digests, commands
ledger.jsonl    what happened to each trial, one JSON line per event
trials/         the trials' configs
logs/           what the trainers printed
measured.jsonl  measurements of checkpoints, so that each is made once
results.json, table.md, table.csv, figure.svg, figure.png
lock            held by the process that runs the study

The runs themselves are ordinary ones, in the folder of the runs.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from icot_tui.config.loading import dump_toml
from icot_tui.errors import UserError
from icot_tui.files import open_file, read_file, read_small, write_atomically
from icot_tui.studies.plan import Plan, Trial

STUDIES = "studies"
LARGEST = 256 << 20
"""Bytes of a file that is read at all."""

State = Literal["training", "waiting", "finished", "failed", "stopped"]


@dataclass(frozen=True)
class StudyEvent:
    """What happened to a trial; `run` is the name of its run, once there is one."""

    trial: str
    state: State
    run: str | None = None
    reason: str = ""
    reused: bool = False


class StudyFolder:
    """Paths of one study at one scale, its ledger, and its lock."""

    def __init__(self, runs: Path, name: str) -> None:
        self.runs = runs
        self.path = runs / STUDIES / name
        self.plan = self.path / "plan.json"
        self.ledger = self.path / "ledger.jsonl"
        self.measured = self.path / "measured.jsonl"
        self.logs = self.path / "logs"
        self.trials = self.path / "trials"
        self._lock: IO[str] | None = None
        self._unwritten: list[dict[str, Any]] = []

    def prepare(self, plan: Plan) -> None:
        """Create the folder and write the plan.

        Raises:
            UserError: it can't be written.
        """
        try:
            for folder in (self.path, self.logs, self.trials):
                folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / "study.toml", plan.study.text)
            content = {
                "study": plan.study.config.name,
                "scale": plan.scale,
                "trials": [trial.as_json() for trial in plan.trials],
                "skipped": list(plan.skipped),
            }
            write_atomically(self.plan, json.dumps(content, indent=1) + "\n")
            for trial in plan.trials:
                write_atomically(self.config(trial), dump_toml(trial.config))
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}") from error

    def config(self, trial: Trial) -> Path:
        return self.trials / f"{trial.name}.toml"

    def log(self, trial: Trial) -> Path:
        return self.logs / f"{trial.name}.txt"

    # The lock ---------------------------------------------------------------------------------

    def lock(self) -> None:
        """Keep other processes from running the same study, or from overwriting its plan.

        Raises:
            UserError: another process runs it, or the lock can't be written.
        """
        path = self.path / "lock"
        self._lock = take_lock(path)
        if self._lock is None:
            holder = (read_small(path, LARGEST) or b"").decode(errors="replace").strip()
            by = f" by process {holder}" if holder else ""
            raise UserError(
                f"this study is being run already{by}: watch it with 'icot-tui attach "
                f"{self.path}', or stop it with Ctrl-C there"
            )
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    # The ledger -------------------------------------------------------------------------------

    def write(self, event: StudyEvent) -> None:
        """Record an event; on a full disk, as soon as there is room (see `flush`)."""
        self._unwritten.append({"time": round(time.time(), 3)} | asdict(event))
        self.flush()

    def flush(self) -> None:
        """Write the events that wait: a full disk ends no study."""
        with contextlib.suppress(UserError):
            while self._unwritten:
                append_line(self.ledger, self._unwritten[0])
                del self._unwritten[0]

    def events(self) -> list[StudyEvent]:
        """All that was recorded, oldest first."""
        known = StudyEvent.__dataclass_fields__
        return [
            StudyEvent(**{key: value for key, value in line.items() if key in known})
            for line in read_lines(self.ledger)
            if "trial" in line and "state" in line
        ]

    def read_plan(self) -> dict[str, Any]:
        """The plan as a JSON object; empty while there is none."""
        try:
            content = json.loads(read_file(self.plan, LARGEST))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


def take_lock(path: Path) -> IO[str] | None:
    """Lock a file until it is closed here and in all processes that inherit it.

    Returns None while another process holds it.

    Raises:
        UserError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "w")
    except OSError as error:
        raise UserError(f"cannot write {path.parent}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append one JSON line with one system call; first ends a line that a crash cut short.

    Raises:
        UserError: it can't be written.
    """
    try:
        file = open_file(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            size = os.fstat(file).st_size
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            content = b"\n" * torn + json.dumps(line).encode() + b"\n"
            if os.write(file, content) < len(content):  # readers skip the partial line
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}", 1) from error


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of such a file, without damaged ones; none if there is no such file."""
    try:
        content = read_file(path, LARGEST)
    except OSError:
        return
    for raw in content.splitlines():
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line
