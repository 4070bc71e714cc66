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
import re
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from icot_tui.errors import UserError, disk_reason
from icot_tui.files import kind_of, open_file, read_small, write_atomically

LATEST, BEST = "latest", "best"
OWNERS = 0o600
"""Mode of a lock: nobody else may hold it."""
MOST_BYTES = 4096
"""Of a lock, which names one thing, or a journal's beginning."""
_BEGINS = re.compile(rb'^\{"time": ?(\d+(?:\.\d+)?), ?"event": ?"RunStarted"', re.MULTILINE)


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
        return os.path.basename(os.path.abspath(self.path))

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
        except OSError as error:
            if path is not None:
                shutil.rmtree(path, ignore_errors=True)
            told = disk_reason(error)
            raise UserError(f"cannot write the run folder in {runs}: {told}") from error
        return folder

    @classmethod
    def find(cls, runs: Path, name: str | None) -> "RunFolder":
        """A run by name, by path, or the newest; a `UserError` if there is none."""
        known = cls.all(runs)
        if name is None:
            if not known:
                raise UserError(f"there is no run in {runs} yet: start one with 'icot-tui train'")
            return known[0]
        for path in (runs / name, Path(name)):
            if name and (path / "config.toml").is_file():
                return cls(path)
        alike = get_close_matches(name, [run.name for run in known], n=2)
        names = ", ".join(run.name for run in known[:5])
        more = f", and {len(known) - 5} more" if len(known) > 5 else ""
        hint = f" (known runs: {names}{more})" if names else ""
        hint = f"; did you mean {' or '.join(alike)}?" if alike else hint
        raise UserError(f"there is no run '{name}' in {runs}{hint}")

    @classmethod
    def all(cls, runs: Path) -> list["RunFolder"]:
        return [run for run in cls.all_even_damaged(runs) if os.path.isfile(run.config)]

    @classmethod
    def all_even_damaged(cls, runs: Path) -> list["RunFolder"]:
        """Every run of a folder, even one that has lost its config; the newest first.

        What is newest is what began last, by its journal.
        """
        try:
            found = [cls(path) for path in runs.iterdir()]
        except OSError:
            return []
        dated = [(began, run) for run in found if (began := _began(run)) is not None]
        return [run for _, run in sorted(dated, key=lambda pair: pair[0], reverse=True)]

    def check(self) -> None:
        """Refuse a folder that others made so that a training in it would write outside of it.

        Raises:
            UserError: a part of it is a link, or no file or folder as it should be.
        """
        folders = self.checkpoints, self.samples, self.control
        pointers = self.checkpoints / LATEST, self.checkpoints / BEST
        for part in (*folders, *pointers, self.journal, self.log, self.path / "lock"):
            try:
                mode = os.lstat(part).st_mode
            except OSError:  # it will be made
                continue
            if not (stat.S_ISDIR(mode) if part in folders else stat.S_ISREG(mode)):
                wanted = "folder" if part in folders else "file"
                raise UserError(
                    f"{part} is {kind_of(mode)}, not a {wanted} of the run's own: nothing is "
                    "trained there; remove it, or put what it stands for in its place"
                )

    def lock(self) -> None:
        """Keep every other trainer out until this process ends.

        Raises:
            UserError: one is at work, or the folder can't be locked or is refused by `check`.
        """
        if self._lock is not None:
            return
        self.check()
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
            since = round(time.time(), 3)  # as the journal's times are: no line of ours is earlier
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
            os.pwrite(lock, json.dumps(holder).encode(), 0)
        self._lock = lock
        with contextlib.suppress(OSError):  # of a copy that came without it; told where written
            self.samples.mkdir()

    def holder(self) -> str | None:
        """Who trains here, in words; None where the lock's file doesn't say."""
        try:
            holder = json.loads(read_small(self.path / "lock", MOST_BYTES) or b"")
            return f"process {int(holder['pid'])} on {holder['host']}"
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def locked_since(self) -> float | None:
        """When the trainer at work took the lock, 0 where that is unknown; None without one."""
        if not self.is_locked():
            return None
        try:
            return float(json.loads(read_small(self.path / "lock", MOST_BYTES) or b"")["since"])
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return 0.0

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
            lock = open_file(self.path / "lock")
        except PermissionError:  # somebody else's run
            yield not listed_as_locked(self.path / "lock")
            return
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
    number = 2 if name == LATEST else 1  # earlier versions keep a file of that name there
    while True:
        path = runs / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1


def _began(run: RunFolder) -> tuple[float, float, str] | None:
    """When the run began, by which runs are ordered; None for what is no run, or is gone.

    A copy's files are newer than the run: they count only before the journal begins, and where two
    began at the same time.
    """
    written = next(filter(None, map(_written, (run.config, run.journal))), None)
    if written is None:
        return None
    with contextlib.suppress(OSError), open(open_file(run.journal), "rb") as file:
        if begins := _BEGINS.search(file.read(MOST_BYTES)):
            return float(begins[1]), written, run.name
    return written, written, run.name


def _written(file: Path) -> float | None:
    try:
        return os.stat(file).st_mtime
    except OSError:
        return None


def _locked(path: Path) -> int:
    """Open a file and lock it, waiting for views that only test the lock; or `BlockingIOError`."""
    lock, attempts = open_file(path, os.O_RDWR | os.O_CREAT, mode=OWNERS), 51
    with contextlib.suppress(OSError):  # earlier versions' could be locked by other users
        os.fchmod(lock, OWNERS)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError as error:
            attempts -= 1
            if not attempts or not isinstance(error, BlockingIOError):
                os.close(lock)
                raise
        time.sleep(0.01)


def listed_as_locked(path: Path) -> bool:
    """Does Linux list a lock on a file that can't be opened? (proc(5), /proc/locks)"""
    try:
        inode = os.stat(path).st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    taken = (line.split() for line in lines)
    return any(one[1] == "FLOCK" and one[5].endswith(f":{inode}") for one in taken if len(one) > 5)


def runs_folder() -> Path:
    """Where runs are kept: $ICOT_TUI_RUNS, or `runs` in the current folder."""
    return Path(os.environ.get("ICOT_TUI_RUNS", "runs"))
