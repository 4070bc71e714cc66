"""From an action to the run: ask, say what the command does, send it, report what became of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from icot_tui.engine.journal.events import CommandDone
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.commands import Command, post
from icot_tui.engine.run_folder import RunFolder
from icot_tui.formatting import count, plain
from icot_tui.tui.actions.action import Action, Answer, RunCommand
from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.actions.table import RUN_ACTIONS
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice, confirmation
from icot_tui.tui.screens.questions import (
    InputDialog,
    checkpoint_dialog,
    positive_number,
    whole_number,
)

if TYPE_CHECKING:
    from icot_tui.tui.app.workbench import Workbench

TIMEOUT = 10.0
"""Seconds after which a missing answer is reported."""
ANSWER_SECONDS = 0.15
"""Between two looks for an answer, however seldom the screen is drawn."""
DEFAULT_DELTA = 8.0
"""Offered where the run's config is not known."""
Result = tuple[str, bool]
"""A sentence for the user; was the command carried out?"""


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
        return bool(self._pending)

    def send(self, command: Command, now: float) -> Result | None:
        """Send a command; the result if it failed at once."""
        if self._send is None and not self.folder.is_locked():
            text = f"No trainer is running on {self.folder.name}. "
            return f"{text}Resume it with: icot-tui resume {self.folder.path}", False
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
            return f"The run can't be reached: {error.strerror}", False
        return None

    def results(self, now: float) -> list[Result]:
        """The results since the last call; costs nothing while no answer is awaited."""
        if self._reader is None:
            return []
        results: list[Result] = []
        for _, event in self._reader.events():
            if isinstance(event, CommandDone) and self._pending.pop(event.id, None) is not None:
                effect = plain(event.effect)
                sentence = f"{effect[:1].upper()}{effect[1:]}."
                results.append((sentence, event.done))
        for pending in list(self._pending.values()):
            if not pending.reported and now - pending.since > TIMEOUT:
                pending.reported = True
                results.append((self._silence(pending), False))
        if not self._pending:
            self._reader = None
        return results

    def _silence(self, pending: _Pending) -> str:
        name = pending.command.name
        if self._send is None and not self.folder.is_locked():
            del self._pending[pending.command.id]
            return f"The trainer ended before it answered '{name}'."
        return (
            f"The run has not answered '{name}' for {TIMEOUT:.0f} s. It may be in the midst of an "
            "evaluation or a slow step. You will be told here once the command is carried out."
        )


class RunCommandActions:
    """Sends commands to the run on show, and tells the user what became of them."""

    def __init__(self, app: "Workbench") -> None:
        self._app = app
        self._sender: CommandSender | None = None

    def handlers(self) -> dict[str, Handler]:
        return {action.name: partial(self._start, action) for action in RUN_ACTIONS}

    def _start(self, action: Action) -> None:
        self._app.run_worker(self._confirm(action), exclusive=True, group="question")

    async def _confirm(self, action: Action) -> None:
        command, view = action.run_command, self._app.monitor.view
        assert command is not None
        if view is None:
            return
        answer: Answer = None
        if command.question is not None:
            answer = await self._ask(action.label, command, view)
            if answer is None:
                return
        elif command.effect is not None:
            told = command.create(view, None)  # others may change the run while the dialog is open
            dialog = confirmation(action.label, command.effect(view, None))
            if await self._app.push_screen_wait(dialog):
                self._send_command(told)
            return
        self._send_command(command.create(self._app.monitor.view or view, answer))

    async def _ask(self, title: str, command: RunCommand, view: RunView) -> Answer:
        wait, config = self._app.push_screen_wait, view.history.summary.config
        if command.question == "stop":
            return await wait(_how_to_stop())
        assert command.effect is not None
        about = partial(command.effect, view)
        if command.question == "checkpoint":
            return await wait(checkpoint_dialog(view, about))
        if command.question == "tokens":
            return await self._ask_tokens(title, view, about)
        if command.question == "delta":
            word = view.history.summary.unit_word
            if config is not None and config.curriculum.schedule != "linear":
                told = f"Only a linear schedule removes a number of {word}s per epoch."
                notify_user(self._app, told, "warning")
                return None
            intro = f"How many {word}s are removed per epoch from now on?"
            if config is not None and config.curriculum.remove_share is not None:
                intro = "How many removals are there per epoch from now on?"
            present = DEFAULT_DELTA if config is None else config.curriculum.remove_per_epoch
        else:
            intro = "The new peak learning rate?"
            present = view.history.summary.metrics.learning_rate or 0.0
            if config is not None:
                present = config.train.learning_rate
        intro = f"{intro} The config says {present:g}."
        return await wait(InputDialog(title, intro, f"{present:g}", positive_number, about))

    async def _ask_tokens(
        self, title: str, view: RunView, about: Callable[[Answer], str]
    ) -> Answer:
        summary, left = view.history.summary, None
        if summary.greatest_stage is not None:
            left = summary.greatest_stage - summary.removed
        intro = f"How many more {summary.unit_word}s are to be removed?"
        intro += "" if left is None else f" {count(left, summary.unit_word)} left."
        return await self._app.push_screen_wait(
            InputDialog(title, intro, "1", whole_number(1, left), about)
        )

    def _send_command(self, command: Command) -> None:
        monitor = self._app.monitor
        assert monitor.source is not None
        folder = monitor.source.folder
        if self._sender is None or self._sender.folder is not folder:
            engine = monitor.engine
            self._sender = CommandSender(folder, None if engine is None else engine.send)
        problem = self._sender.send(command, time.monotonic())
        if problem is None:
            self._app.set_timer(ANSWER_SECONDS, self._poll)
        else:
            self._report(*problem)

    def report_results(self) -> bool:
        """Tell the user what became of the commands that were sent; was there anything?"""
        results = [] if self._sender is None else self._sender.results(time.monotonic())
        for result in results:
            self._report(*result)
        return bool(results)

    def _poll(self) -> None:
        if self.report_results():
            self._app.draw()
        elif self._sender is not None and self._sender.waiting:
            self._app.set_timer(ANSWER_SECONDS, self._poll)

    def _report(self, text: str, done: bool) -> None:
        """Tell it where it isn't told already: what was done stands in the log."""
        if not (done and self._app.live.tells_news()):
            notify_user(self._app, text, "information" if done else "error")


def _how_to_stop() -> ChoiceDialog[bool]:
    save = "nothing is lost; icot-tui resume continues from it"
    lose = "training since the last checkpoint is lost"
    choices = (
        DialogChoice(True, "save, then stop", save, "s"),
        DialogChoice(False, "stop at once", lose, "n"),
    )
    return ChoiceDialog("stop the run", choices)
