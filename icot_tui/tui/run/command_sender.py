"""CommandSender of this screen to a run, and what became of them."""

from collections.abc import Callable
from dataclasses import dataclass

from icot_tui.engine.journal.events import CommandDone
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.commands import Command, post
from icot_tui.engine.run_folder import RunFolder
from icot_tui.plain import plain

PATIENCE = 10.0
"""Seconds after which one is told that nothing has answered."""


@dataclass(frozen=True)
class CommandResult:
    """Something to tell the user about a wish."""

    text: str
    good: bool


@dataclass
class _Waiting:
    command: Command
    since: float
    told: bool = False


class CommandSender:
    """Sends commands to a run and finds their answers in its journal."""

    def __init__(self, folder: RunFolder, send: Callable[[Command], None] | None = None) -> None:
        self._folder = folder
        self._send = send
        self._waiting: dict[str, _Waiting] = {}
        self._reader: JournalReader | None = None

    @property
    def open(self) -> bool:
        """Is an answer still to come?"""
        return bool(self._waiting)

    def wish(self, command: Command, now: float) -> CommandResult | None:
        """Send a command; what went wrong, if something did at once."""
        if self._send is None and not self._folder.is_locked():
            return CommandResult(
                f"No trainer is at work on run {self._folder.name}. "
                f"Go on with: icot-tui resume {self._folder.path}",
                False,
            )
        if self._reader is None:
            self._reader = JournalReader.at_end(self._folder.journal)
        self._waiting[command.id] = _Waiting(command, now)
        try:
            if self._send is not None:
                self._send(command)
            else:
                post(self._folder.control, command)
        except OSError as error:
            del self._waiting[command.id]
            return CommandResult(f"The run can't be reached: {error.strerror}", False)
        return None

    def look(self, now: float) -> list[CommandResult]:
        """What is new since the last look; costs nothing when no answer is awaited."""
        if self._reader is None:
            return []
        told = []
        for _, event in self._reader.events():
            if isinstance(event, CommandDone) and self._waiting.pop(event.id, None) is not None:
                told.append(CommandResult(sentence(event), event.done))
        for waiting in list(self._waiting.values()):
            if not waiting.told and now - waiting.since > PATIENCE:
                waiting.told = True
                told.append(self._silence(waiting))
        if not self._waiting:
            self._reader = None
        return told

    def _silence(self, waiting: _Waiting) -> CommandResult:
        name = waiting.command.name
        if self._send is None and not self._folder.is_locked():
            del self._waiting[waiting.command.id]
            return CommandResult(f"The trainer ended before it answered '{name}'.", False)
        return CommandResult(
            f"The run has not answered '{name}' for {PATIENCE:.0f} s. It may be in the midst of an "
            "evaluation or a slow step. The wish stands; you are told here once it is granted.",
            False,
        )


def sentence(event: CommandDone) -> str:
    """What a command did, as a sentence."""
    text = plain(event.effect)
    return f"{text[:1].upper()}{text[1:]}."
