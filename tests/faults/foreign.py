"""Run folders as somebody else may make them: anything in place of any file of a run."""

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import Event
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from tests.tiny import tiny, train_new

SHORT = tiny(train={"max_steps": 10}, evaluation={"every_steps": 4, "samples": 4})

CANARY = "not the run's\n"
HUGE = 1 << 40

PARTS = (
    *("lock", "control", "journal.jsonl", "config.toml", "log.txt", "notes.toml"),
    *("checkpoints", "checkpoints/latest", "checkpoints/best", "samples", "samples/*"),
    *("*/state.json", "*/manifest.json", "*/model.safetensors", "*/icot_tui.json"),
    *("*/tokenizer.json", "*/config.json"),
)
"""Files and folders of a run; `*/` is its newest checkpoint, and `samples/*` one of its files."""


def stopped_run(runs: Path) -> RunFolder:
    """A short run that was stopped near its end."""
    commands = CommandQueue()

    def listen(event: Event) -> None:
        if event.step >= 8:
            commands.put(Stop())

    folder: RunFolder = train_new(runs, SHORT, commands, listen)
    return folder


def _socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)


def _linked_file(path: Path) -> None:
    path.symlink_to(canaries(path) / "file.json")


def _linked_folder(path: Path) -> None:
    path.symlink_to(canaries(path))


KINDS: dict[str, Callable[[Path], None]] = {
    "linked file": _linked_file,
    "linked folder": _linked_folder,
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path.name),
    "pipe": os.mkfifo,
    "socket": _socket,
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "huge file": _sparse,
}
"""What stands in a file's place, and how it is made."""


def canaries(path: Path) -> Path:
    """The folder beside the runs that nothing may write into."""
    return next(parent for parent in path.parents if parent.name == "runs").parent / "canaries"


def foreign_run(whole: RunFolder, runs: Path, part: str, kind: str) -> RunFolder:
    """A copy of a run, in a folder called `runs`, in which one part is something else."""
    shutil.copytree(whole.path, runs / "run", ignore=shutil.ignore_patterns("lock"))
    run = RunFolder(runs / "run")
    canary = canaries(run.path)
    canary.mkdir(exist_ok=True)
    (canary / "file.json").write_text(CANARY)
    if part.startswith("*/"):
        path = list_checkpoints(run.checkpoints)[-1].path / part[2:]
    elif part == "samples/*":
        path = next(run.samples.iterdir())
    else:
        path = run.path / part
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    KINDS[kind](path)
    return run


def is_untouched(run: RunFolder) -> bool:
    """Does what lies beside the runs hold what it held?"""
    canary = canaries(run.path)
    (only,) = canary.iterdir()
    return only.name == "file.json" and only.read_text() == CANARY


class TooLong(BaseException):
    """Something waited, or read on and on."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `TooLong` here if it takes longer; in the main thread."""

    def stop(number: int, frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
