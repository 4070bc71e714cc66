"""Commands to a run, and the queue that its trainer takes them from between two steps.

The screen, `icot-tui ctl` and tests use the same queue. Another process puts a command into the
run folder's mailbox, one small JSON file each, which works over NFS too.
"""

import contextlib
import os
import queue
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Union

import msgspec

from icot_tui.errors import UserError
from icot_tui.files import kind_of, open_file, write_atomically

MAX_COMMAND_BYTES = 4096  # of a file in the mailbox; no command needs more


class Command(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="command", forbid_unknown_fields=True
):
    """What somebody wants of a run; its `CommandDone` event has the same `id`."""

    id: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def name(self) -> str:
        """As in the mailbox, the journal and `icot-tui ctl`."""
        return str(self.__struct_config__.tag)


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """Wait before the next step."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Go on after a pause."""


class Hold(Command, frozen=True, kw_only=True, tag="hold"):
    """Hold the removal schedule (training continues), or let it run again."""

    on: bool = True


class Advance(Command, frozen=True, kw_only=True, tag="advance"):
    """Remove so many more tokens now."""

    tokens: int = 1


class Rollback(Command, frozen=True, kw_only=True, tag="rollback"):
    """Go back to the checkpoint of this step; None: to before the last removal."""

    step: int | None = None


class ResetOptimizer(Command, frozen=True, kw_only=True, tag="reset-optimizer"):
    """Drop the optimizer's state now."""


class Evaluate(Command, frozen=True, kw_only=True, tag="evaluate"):
    """Evaluate now."""


class Save(Command, frozen=True, kw_only=True, tag="save"):
    """Write a checkpoint now."""


class SetRemovePerEpoch(Command, frozen=True, kw_only=True, tag="set-delta"):
    """Change the linear schedule's removals an epoch."""

    remove_per_epoch: float = 8.0


class SetLearningRate(Command, frozen=True, kw_only=True, tag="set-lr"):
    """Change the peak learning rate."""

    learning_rate: float = 5e-5


class Stop(Command, frozen=True, kw_only=True, tag="stop"):
    """End the run: after saving, or at once."""

    save: bool = True


class Preempt(Stop, frozen=True, kw_only=True, tag="stop"):
    """Save and end a run that is to be continued; from signals, never from the mailbox."""

    why: str


COMMANDS = {str(kind.__struct_config__.tag): kind for kind in Command.__subclasses__()}
"""Every command by its name."""
_decode = msgspec.json.Decoder(Union[tuple(COMMANDS.values())]).decode  # noqa: UP007


class CommandQueue:
    """Commands from this process and, given a mailbox folder, from others.

    Files that are in the mailbox already were meant for an earlier trainer, which died before
    it read them: they are removed unread, or a `stop` of yesterday would end the run of today.
    """

    def __init__(self, mailbox: Path | None = None, poll_seconds: float = 0.2) -> None:
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._mailbox = mailbox
        self._poll_seconds = poll_seconds
        self._next_poll = 0.0
        self._outdated: set[str] = set()
        if mailbox is not None:
            with contextlib.suppress(FileExistsError):
                mailbox.mkdir(mode=0o700)
            _check_mailbox(mailbox)
            with _opened(mailbox) as folder:
                self._outdated = set(_command_files(folder))

    def put(self, command: Command) -> None:
        """Add a command; safe from any thread and from a signal handler."""
        self._queue.put(command)

    def take(self) -> list[Command]:
        """All that came since the last call, oldest first; microseconds when there is nothing."""
        commands = []
        while not self._queue.empty():
            commands.append(self._queue.get())
        if self._mailbox is not None and time.monotonic() >= self._next_poll:
            self._next_poll = time.monotonic() + self._poll_seconds
            with _opened(self._mailbox) as folder:
                for file in _command_files(folder):
                    command = _read_command(file, folder)
                    if command is not None and file not in self._outdated:
                        commands.append(command)
        return commands


def _check_mailbox(mailbox: Path) -> None:
    """Refuse a mailbox through which others would control the run, or that lies elsewhere.

    Raises:
        UserError: it is no folder of the run's own, or another user's.
    """
    found = os.lstat(mailbox)
    if not stat.S_ISDIR(found.st_mode):
        what = f"is {kind_of(found.st_mode)}, not a folder of the run's own"
    elif os.geteuid() not in (0, found.st_uid):
        what = "belongs to another user, who would control the run"
    else:
        return
    raise UserError(f"{mailbox} {what}: remove it, and it is made anew")


@contextlib.contextmanager
def _opened(mailbox: Path) -> Iterator[int | None]:
    """The mailbox itself, never what it links to; None where there is none."""
    try:
        folder = os.open(mailbox, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _command_files(folder: int | None) -> list[str]:
    """What lies in the mailbox, oldest first."""
    try:
        found = [] if folder is None else os.listdir(folder)
    except OSError:
        return []
    return sorted(name for name in found if name.endswith(".json"))


def _read_command(name: str, folder: int | None) -> Command | None:
    """Read a file of the mailbox and remove it; None for what is no command of the run's owner.

    What can't be removed is ignored: it would be carried out again and again.
    """
    command: Command | None = None
    try:
        with open(open_file(name, folder=folder), "rb") as file:
            if os.fstat(file.fileno()).st_uid == os.geteuid():  # nobody else controls this run
                command = _decode(file.read(MAX_COMMAND_BYTES))
    except (OSError, ValueError, RecursionError):
        pass
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return None
    return command


def post(mailbox: Path, command: Command) -> Path:
    """Put a command into a run's mailbox; its file is there until the trainer takes it.

    An `OSError` says that there is no such mailbox, or that it is somebody else's.
    """
    path = mailbox / f"{time.time_ns():020d}-{command.id}.json"
    write_atomically(path, msgspec.json.encode(command), own_folder=True)
    return path
