"""CommandSender: commands that are carried out between two steps, and journaled.

Keyboard, `icot-tui ctl` and tests use the same queue. Another process puts a command into the
run folder's mailbox, one small file each, which works over NFS too.
"""

import json
import math
import os
import queue
import time
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, get_args, get_type_hints

MAX_COMMAND_BYTES = 4096
"""Bytes; no command needs more."""


@dataclass(frozen=True)
class Command:
    """A wish; `id` lets the one who wished it find the `CommandDone` event."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12], kw_only=True)

    name: ClassVar[str] = ""
    known: ClassVar[dict[str, type["Command"]]] = {}

    def __init_subclass__(cls, name: str) -> None:
        super().__init_subclass__()
        cls.name = name
        Command.known[name] = cls

    def as_json(self) -> dict[str, Any]:
        """A flat dictionary with the command's name."""
        return {"command": self.name} | asdict(self)

    @staticmethod
    def from_json(line: dict[str, Any]) -> "Command":
        """The command of a mailbox file.

        Raises:
            ValueError: it is none, or has wrong fields or values of the wrong type.
        """
        if not isinstance(line, dict) or not isinstance(line.get("command"), str):
            raise ValueError("no command")
        kind = Command.known.get(line["command"])
        if kind is None:
            raise ValueError(f"unknown command {line['command']!r}")
        types = get_type_hints(kind)
        names = {field.name for field in fields(kind)}
        values = {key: value for key, value in line.items() if key != "command"}
        if not names >= values.keys():
            raise ValueError(f"{kind.name} does not know {sorted(values.keys() - names)}")
        for key, value in values.items():
            if not _fits(value, types[key]):
                raise ValueError(f"{kind.name}: {key} can't be {value!r}")
        return kind(**values)


@dataclass(frozen=True)
class Pause(Command, name="pause"):
    """Wait before the next step."""


@dataclass(frozen=True)
class Resume(Command, name="resume"):
    """Go on after a pause."""


@dataclass(frozen=True)
class Hold(Command, name="hold"):
    """Hold the removal schedule (training goes on), or let it run again."""

    on: bool = True

    let_go: ClassVar[str] = "the schedule goes on"
    """The effect, as journaled, that tells letting go from holding."""


@dataclass(frozen=True)
class Advance(Command, name="advance"):
    """Remove so many more tokens now."""

    tokens: int = 1


@dataclass(frozen=True)
class Rollback(Command, name="rollback"):
    """Go back to the checkpoint of this step; None: to before the last removal."""

    step: int | None = None


@dataclass(frozen=True)
class ResetOptimizer(Command, name="reset-optimizer"):
    """Drop the optimizer's state now."""


@dataclass(frozen=True)
class Evaluate(Command, name="evaluate"):
    """Evaluate now."""


@dataclass(frozen=True)
class Save(Command, name="save"):
    """Write a checkpoint now."""


@dataclass(frozen=True)
class SetRemovePerEpoch(Command, name="set-delta"):
    """Change the linear schedule's tokens an epoch."""

    remove_per_epoch: float = 8.0


@dataclass(frozen=True)
class SetLearningRate(Command, name="set-lr"):
    """Change the peak learning rate."""

    learning_rate: float = 5e-5


@dataclass(frozen=True)
class Stop(Command, name="stop"):
    """End the run: after saving, or at once."""

    save: bool = True


class CommandQueue:
    """Commands from this process and, given a mailbox folder, from others.

    Letters that are in the mailbox already were meant for an earlier trainer, which died before
    it read them: they are thrown away, or a `stop` of yesterday would end the run of today.
    """

    def __init__(self, mailbox: Path | None = None, poll_seconds: float = 0.2) -> None:
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._mailbox = mailbox
        self._poll_seconds = poll_seconds
        self._next_poll = 0.0
        self._old_mail: set[Path] = set()
        if mailbox is not None:
            mailbox.mkdir(mode=0o700, exist_ok=True)
            self._old_mail = set(_command_files(mailbox))

    def put(self, command: Command) -> None:
        """Wish something; safe from any thread and from a signal handler."""
        self._queue.put(command)

    def take(self) -> list[Command]:
        """All that was wished since, oldest first; costs microseconds when there is nothing."""
        commands = []
        while not self._queue.empty():
            commands.append(self._queue.get())
        if self._mailbox is not None and time.monotonic() >= self._next_poll:
            self._next_poll = time.monotonic() + self._poll_seconds
            commands += self._open_mail(self._mailbox)
        return commands

    def _open_mail(self, mailbox: Path) -> list[Command]:
        opened = [
            (letter not in self._old_mail, _read_command(letter))
            for letter in _command_files(mailbox)
        ]
        return [command for is_new, command in opened if is_new and command is not None]


def _command_files(mailbox: Path) -> list[Path]:
    """What lies in the mailbox, oldest first."""
    try:
        return sorted(path for path in mailbox.iterdir() if path.suffix == ".json")
    except OSError:
        return []


def _read_command(letter: Path) -> Command | None:
    """Read a letter and remove it; None for what is no command of the run's owner.

    What can't be removed is not obeyed: it would be obeyed again and again.
    """
    command = None
    try:
        with open(os.open(letter, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if os.fstat(file.fileno()).st_uid == os.geteuid():  # nobody else controls this run
                command = Command.from_json(json.loads(file.read(MAX_COMMAND_BYTES)))
    except (OSError, ValueError, RecursionError):
        pass
    try:
        letter.unlink()
    except OSError:
        return None
    return command


def _fits(value: Any, annotation: Any) -> bool:
    """Is it finite and of the annotated type, as JSON knows types?"""
    allowed = set(get_args(annotation) or (annotation,))
    if float in allowed:
        allowed.add(int)
    finite = not isinstance(value, float) or math.isfinite(value)
    return finite and type(value) in allowed


def post(mailbox: Path, command: Command) -> Path:
    """Put a command into a run's mailbox; the letter is there until the trainer takes it.

    Raises:
        OSError: there is no such mailbox, or it is somebody else's.
    """
    letter = mailbox / f"{time.time_ns():020d}-{command.id}.json"
    beside = letter.with_suffix(".writing")
    try:
        beside.write_text(json.dumps(command.as_json()))
        os.replace(beside, letter)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return letter
