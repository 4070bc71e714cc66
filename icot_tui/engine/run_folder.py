"""The run folder: everything that is known of a run, readable while it is being written.

config.toml     the resolved configuration
journal.jsonl   every event
checkpoints/    step-00001200/ ..., and `latest`, the name of the newest complete one
samples/        validation examples with the model's answers, a file an evaluation
control/        mailbox for commands
lock            held by the trainer
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
from pathlib import Path

from icot_tui.errors import UserError

LATEST = "latest"


class RunFolder:
    """Paths of one run, and the lock that keeps a second trainer out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.journal = path / "journal.jsonl"
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.control = path / "control"
        self.log = path / "log.txt"
        self._lock: int | None = None

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @classmethod
    def create(cls, runs: Path, name: str, config_text: str) -> "RunFolder":
        """A new folder for a run; an existing one's name gets a number.

        Raises:
            UserError: the folder can't be written.
        """
        path = None
        try:
            runs.mkdir(parents=True, exist_ok=True)
            path = _new_folder(runs, name)
            folder = cls(path)
            folder.checkpoints.mkdir()
            folder.samples.mkdir()
            folder.control.mkdir(mode=0o700)
            write_atomically(folder.config, config_text)
            write_atomically(runs / LATEST, path.name + "\n")
        except OSError as error:
            if path is not None:
                shutil.rmtree(path, ignore_errors=True)
            raise UserError(f"cannot write the run folder in {runs}: {error.strerror}") from error
        return folder

    @classmethod
    def find(cls, runs: Path, name: str | None) -> "RunFolder":
        """A run by name, by path, or the latest.

        Raises:
            UserError: there is none.
        """
        known = cls.all(runs)
        if name is None:
            if not known:
                raise UserError(f"there is no run in {runs} yet: start one with 'icot-tui train'")
            return next((run for run in known if run.name == _latest(runs)), known[0])
        for path in (runs / name, Path(name)):
            if name and (path / "config.toml").is_file():
                return cls(path)
        names = ", ".join(run.name for run in known[:5])
        raise UserError(
            f"there is no run '{name}' in {runs}" + (f" (known runs: {names})" * bool(names))
        )

    @classmethod
    def all(cls, runs: Path) -> list["RunFolder"]:
        """Every run of a folder, the newest first."""
        return [run for run in cls.all_even_damaged(runs) if os.path.isfile(run.config)]

    @classmethod
    def all_even_damaged(cls, runs: Path) -> list["RunFolder"]:
        """Every run of a folder, also one that has lost its config; the newest first."""
        try:
            found = [cls(path) for path in runs.iterdir()]
        except OSError:
            return []
        ages = {run: _first_written(run) for run in found}
        dated = [run for run in found if ages[run] is not None]
        return sorted(dated, key=lambda run: ages[run] or 0.0, reverse=True)

    def lock(self) -> None:
        """Keep every other trainer out until this process ends; once is enough.

        Raises:
            UserError: a trainer is at work here.
        """
        if self._lock is not None:
            return
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"cannot lock run {self.name}: {error.strerror}") from error
        try:
            _take_lock(lock)
        except BlockingIOError as error:
            os.close(lock)
            raise UserError(
                f"run {self.name} is being trained already by {self.holder() or 'another process'}:"
                f" stop it first with 'icot-tui ctl stop --run {self.name}'"
            ) from error
        except OSError as error:
            os.close(lock)
            raise UserError(f"cannot lock run {self.name}: {error.strerror}") from error
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            os.ftruncate(lock, 0)
            holder = {"pid": os.getpid(), "host": socket.gethostname()}
            os.pwrite(lock, json.dumps(holder).encode(), 0)
        self._lock = lock

    def holder(self) -> str | None:
        """Who trains here, in words; None where that is not written."""
        try:
            holder = json.loads((self.path / "lock").read_text())
            return f"process {int(holder['pid'])} on {holder['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def unlock(self) -> None:
        """Let others in."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def is_locked(self) -> bool:
        """Is a trainer at work here (in any process of this machine)?"""
        try:
            lock = os.open(self.path / "lock", os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False


def _new_folder(runs: Path, name: str) -> Path:
    """Make the first of name, name-2, name-3, ... that is not there yet."""
    number = 2 if name == LATEST else 1  # that name is the pointer's
    while True:
        path = runs / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1


def _latest(runs: Path) -> str | None:
    """The name that the pointer holds."""
    try:
        return (runs / LATEST).read_text().strip()
    except (OSError, ValueError):
        return None


def _first_written(run: RunFolder) -> float | None:
    """When the run began; None for a folder that is no run, or gone meanwhile."""
    for file in (run.config, run.journal):
        try:
            return os.stat(file).st_mtime
        except OSError:
            continue
    return None


def _take_lock(lock: int) -> None:
    """Lock exclusively; a view that merely looks whether it is locked holds it for a moment.

    Raises:
        BlockingIOError: another process keeps it.
    """
    for _ in range(10):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def runs_folder() -> Path:
    """Where runs are kept: $ICOT_TUI_RUNS, or `runs` in the current folder."""
    return Path(os.environ.get("ICOT_TUI_RUNS", "runs"))


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that readers see the old one or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
