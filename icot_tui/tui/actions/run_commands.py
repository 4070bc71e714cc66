"""From an action to the run: ask what has to be asked, say what it does, send the command."""

import time
from functools import partial
from typing import TYPE_CHECKING

from icot_tui.engine.loop.commands import Command
from icot_tui.formatting import count
from icot_tui.tui.actions.action import Action, Answer, RunCommand
from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.actions.table import RUN_ACTIONS
from icot_tui.tui.run.command_sender import CommandResult, CommandSender
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice, confirmation
from icot_tui.tui.screens.questions import (
    NumberDialog,
    checkpoint_dialog,
    positive_number,
    whole_number,
)

if TYPE_CHECKING:
    from icot_tui.tui.app.app import WorkbenchApp

ANSWER_SECONDS = 0.15
"""Between two looks for an answer, however seldom the screen is drawn."""
DEFAULT_DELTA = 8.0
"""Offered where the run's config is not known."""


class RunCommandActions:
    """Sends commands to the run on show, and tells the user what became of them."""

    def __init__(self, app: "WorkbenchApp") -> None:
        self._app = app
        self._sender: CommandSender | None = None

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
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
            effect = command.effect(view, None)
            dialog = confirmation(action.label, effect, "do it", "leave it as it is")
            if not await self._app.push_screen_wait(dialog):
                return
        self._send_command(command.create(self._app.monitor.view or view, answer))

    # Asking -------------------------------------------------------------------------------------

    async def _ask(self, title: str, command: RunCommand, view: RunView) -> Answer:
        wait, config = self._app.push_screen_wait, view.history.summary.config
        if command.question == "stop":
            return await wait(_how_to_stop())
        effect = command.effect
        assert effect is not None
        if command.question == "checkpoint":
            return await wait(checkpoint_dialog(view, partial(effect, view)))
        if command.question == "tokens":
            return await self._ask_tokens(title, command, view)
        if command.question == "delta":
            if config is not None and config.curriculum.schedule != "linear":
                told = "Only a linear schedule has a number of tokens an epoch."
                notify_user(self._app, told, "warning")
                return None
            intro = "How many tokens are to be removed an epoch from now on?"
            present = DEFAULT_DELTA if config is None else config.curriculum.remove_per_epoch
        else:
            intro = "What is the peak rate to be?"
            present = view.history.summary.metrics.learning_rate or 0.0
            if config is not None:
                present = config.train.learning_rate
        intro = f"{intro} The config says {present:g}."
        return await wait(
            NumberDialog(title, intro, f"{present:g}", positive_number, partial(effect, view))
        )

    async def _ask_tokens(self, title: str, command: RunCommand, view: RunView) -> Answer:
        assert command.effect is not None
        summary, left = view.history.summary, None
        if summary.max_cot_tokens is not None:
            left = summary.max_cot_tokens - summary.removed_tokens
            if left <= 0:
                told = "Nothing is left to remove: the whole chain of thought is gone."
                notify_user(self._app, told, "warning")
                return None
        intro = "How many more tokens are to be removed?"
        intro += "" if left is None else f" {count(left, 'token')} left."
        return await self._app.push_screen_wait(
            NumberDialog(title, intro, "1", whole_number(1, left), partial(command.effect, view))
        )

    # Sending ------------------------------------------------------------------------------------

    def _send_command(self, command: Command) -> None:
        monitor = self._app.monitor
        assert monitor.source is not None
        folder = monitor.source.folder
        if self._sender is None or self._sender.folder is not folder:
            engine = monitor.engine
            self._sender = CommandSender(folder, None if engine is None else engine.send)
        problem = self._sender.send(command, time.monotonic())
        if problem is not None:
            self._report(problem)
        else:
            self._app.set_timer(ANSWER_SECONDS, self._poll)

    def report_results(self) -> bool:
        """Tell the user what became of the commands that were sent; was there anything?"""
        results = [] if self._sender is None else self._sender.results(time.monotonic())
        for result in results:
            self._report(result)
        return bool(results)

    def _poll(self) -> None:
        if self.report_results():
            self._app.draw()
        elif self._sender is not None and self._sender.waiting:
            self._app.set_timer(ANSWER_SECONDS, self._poll)

    def _report(self, result: CommandResult) -> None:
        notify_user(self._app, result.text, "information" if result.done else "error")


def _how_to_stop() -> ChoiceDialog[bool]:
    save = "nothing is lost; icot-tui resume goes on from there"
    lose = "what was trained since the last checkpoint is lost"
    choices = (
        DialogChoice(True, "save, then stop", save, "s"),
        DialogChoice(False, "stop at once", lose, "n"),
    )
    return ChoiceDialog("stop the run", choices)
