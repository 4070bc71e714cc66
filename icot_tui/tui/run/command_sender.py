"""Sends the screen's commands to a run, and reports what became of them."""

from collections.abc import Callable
from dataclasses import dataclass

from icot_tui.engine.journal.events import CommandDone
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.commands import Command, post
from icot_tui.engine.run_folder import RunFolder
from icot_tui.formatting import plain

TIMEOUT = 10.0
"""Seconds without an answer after which the user is told so."""


@dataclass(frozen=True)
class CommandResult:
    """What the user is told about a command.

    Attributes:
        done: was it carried out?
    """

    text: str
    done: bool


@dataclass
class _Pending:
    command: Command
    since: float
    reported: bool = False


class CommandSender:
    """Sends commands to a run and finds their answers in its journal."""

    def __init__(self, folder: RunFolder, send: Callable[[Command], None] | None = None) -> None:
        self.folder = folder
        self._send = send
        self._pending: dict[str, _Pending] = {}
        self._reader: JournalReader | None = None

    @property
    def waiting(self) -> bool:
        """Is an answer still to come?"""
        return bool(self._pending)

    def send(self, command: Command, now: float) -> CommandResult | None:
        """Send a command; the result if it failed at once."""
        if self._send is None and not self.folder.is_locked():
            return CommandResult(
                f"No trainer is at work on run {self.folder.name}. "
                f"Go on with: icot-tui resume {self.folder.path}",
                False,
            )
        if self._reader is None:
            self._reader = JournalReader.at_end(self.folder.journal)
        self._pending[command.id] = _Pending(command, now)
        try:
            if self._send is not None:
                self._send(command)
            else:
                post(self.folder.control, command)
        except OSError as error:
            del self._pending[command.id]
            return CommandResult(f"The run can't be reached: {error.strerror}", False)
        return None

    def results(self, now: float) -> list[CommandResult]:
        """The results since the last call; costs nothing while no answer is awaited."""
        if self._reader is None:
            return []
        results = []
        for _, event in self._reader.events():
            if isinstance(event, CommandDone) and self._pending.pop(event.id, None) is not None:
                results.append(CommandResult(sentence(event), event.done))
        for pending in list(self._pending.values()):
            if not pending.reported and now - pending.since > TIMEOUT:
                pending.reported = True
                results.append(self._silence(pending))
        if not self._pending:
            self._reader = None
        return results

    def _silence(self, pending: _Pending) -> CommandResult:
        name = pending.command.name
        if self._send is None and not self.folder.is_locked():
            del self._pending[pending.command.id]
            return CommandResult(f"The trainer ended before it answered '{name}'.", False)
        return CommandResult(
            f"The run has not answered '{name}' for {TIMEOUT:.0f} s. It may be in the midst of an "
            "evaluation or a slow step. You will be told here once the command is carried out.",
            False,
        )


def sentence(event: CommandDone) -> str:
    """What a command did, as a sentence."""
    text = plain(event.effect)
    return f"{text[:1].upper()}{text[1:]}."
