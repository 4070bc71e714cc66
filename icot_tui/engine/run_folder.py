"""The run folder: all that is known about a run, readable while the run writes it.

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
from collections.abc import Iterator
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
        return self.path.name

    @classmethod
    def create(cls, runs: Path, name: str, config_text: str) -> "RunFolder":
        """A new folder for a run, with a number if the name is taken; `UserError` if that fails."""
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
        """A run by name, by path, or the latest; a `UserError` if there is none."""
        known = cls.all(runs)
        if name is None:
            if not known:
                raise UserError(f"there is no run in {runs} yet: start one with 'icot-tui train'")
            return next((run for run in known if run.name == latest_name(runs)), known[0])
        for path in (runs / name, Path(name)):
            if name and (path / "config.toml").is_file():
                return cls(path)
        names = ", ".join(run.name for run in known[:5])
        hint = f" (known runs: {names})" if names else ""
        raise UserError(f"there is no run '{name}' in {runs}{hint}")

    @classmethod
    def all(cls, runs: Path) -> list["RunFolder"]:
        return [run for run in cls.all_even_damaged(runs) if os.path.isfile(run.config)]

    @classmethod
    def all_even_damaged(cls, runs: Path) -> list["RunFolder"]:
        """Every run of a folder, even one that has lost its config; the newest first."""
        try:
            found = [cls(path) for path in runs.iterdir()]
        except OSError:
            return []
        dated = [(began, run) for run in found if (began := _first_written(run)) is not None]
        return [run for _, run in sorted(dated, key=lambda pair: pair[0], reverse=True)]

    def lock(self) -> None:
        """Keep every other trainer out until this process ends; a `UserError` if one is at work."""
        if self._lock is not None:
            return
        try:
            lock = _locked(self.path / "lock")
        except BlockingIOError as error:
            raise UserError(
                f"run {self.name} is being trained already by {self.holder() or 'another process'}:"
                f" stop it first with 'icot-tui ctl stop --run {self.name}'"
            ) from error
        except OSError as error:
            raise UserError(f"cannot lock run {self.name}: {error.strerror}") from error
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            os.ftruncate(lock, 0)
            holder = {"pid": os.getpid(), "host": socket.gethostname()}
            os.pwrite(lock, json.dumps(holder).encode(), 0)
        self._lock = lock

    def holder(self) -> str | None:
        """Who trains here, in words; None where the lock's file doesn't say."""
        try:
            holder = json.loads((self.path / "lock").read_text())
            return f"process {int(holder['pid'])} on {holder['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def unlock(self) -> None:
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def is_locked(self) -> bool:
        """Is a trainer at work here, in any process of this machine?"""
        with self.without_trainer() as idle:
            return not idle

    @contextlib.contextmanager
    def without_trainer(self) -> Iterator[bool]:
        """Keep trainers out meanwhile; False if one is at work."""
        try:
            lock = os.open(self.path / "lock", os.O_RDONLY | os.O_NONBLOCK)  # a pipe never hangs
        except OSError:
            yield True
            return
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                idle = True
            except OSError:
                idle = False
            yield idle
        finally:
            os.close(lock)


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


def latest_name(runs: Path) -> str | None:
    """The name that the pointer file holds."""
    try:
        return (runs / LATEST).read_text().strip()
    except (OSError, ValueError):
        return None


def _first_written(run: RunFolder) -> float | None:
    """When the run began; None for a folder that is no run, or has been deleted meanwhile."""
    for file in (run.config, run.journal):
        try:
            return os.stat(file).st_mtime
        except OSError:
            continue
    return None


def _locked(path: Path) -> int:
    """Open a file and lock it, waiting for views that only test the lock; or `BlockingIOError`."""
    lock, attempts = os.open(path, os.O_RDWR | os.O_CREAT, 0o644), 11
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError as error:
            attempts -= 1
            if not attempts or not isinstance(error, BlockingIOError):
                os.close(lock)
                raise
        time.sleep(0.05)


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
