"""From a key to a command: ask what is to be asked, say what it means, and send it."""

from typing import TYPE_CHECKING

from icot_tui.formatting import count
from icot_tui.tui.actions.action import Action, Answer
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.checkpoints import checkpoint_dialog
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice, confirmation
from icot_tui.tui.screens.number import NumberDialog, positive_number, whole_number

if TYPE_CHECKING:
    from icot_tui.tui.app.app import WorkbenchApp


async def step_in(app: "WorkbenchApp", action: Action) -> None:
    """Do an action of the run, with its question or confirmation."""
    view = app.view
    assert action.command is not None
    if view is None:
        return
    answer: Answer = None
    if action.question is not None:
        answer = await _ask(app, action, view)
        if answer is None:
            return
    elif action.meaning is not None:
        agreed = await app.push_screen_wait(
            confirmation(action.label, action.meaning(view, None), "do it", "leave it as it is")
        )
        if not agreed:
            return
    app.send(action.command(app.view or view, answer))


async def _ask(app: "WorkbenchApp", action: Action, view: RunView) -> Answer:
    match action.question:
        case "checkpoint":
            return await app.push_screen_wait(checkpoint_dialog(view, action))
        case "stop":
            return await app.push_screen_wait(_how_to_stop())
        case "tokens":
            return await _ask_tokens(app, action, view)
        case "delta":
            config = view.history.summary.config
            present = 8.0 if config is None else config.curriculum.remove_per_epoch
            if config is not None and config.curriculum.schedule != "linear":
                app.tell("Only a linear schedule has a number of tokens an epoch.", "warning")
                return None
            return await _ask_positive(
                app, action, view, "How many tokens an epoch shall go from now on?", present
            )
    present_rate = view.history.summary.metrics.learning_rate or 0.0
    if view.history.summary.config is not None:
        present_rate = view.history.summary.config.train.learning_rate
    return await _ask_positive(app, action, view, "What shall the peak rate be?", present_rate)


async def _ask_tokens(app: "WorkbenchApp", action: Action, view: RunView) -> Answer:
    assert action.meaning is not None
    meaning, summary = action.meaning, view.history.summary
    left = None
    if summary.max_cot_tokens is not None:
        left = summary.max_cot_tokens - summary.removed_tokens
        if left <= 0:
            app.tell("Nothing is left to remove: the whole chain of thought is gone.", "warning")
            return None
    intro = "How many more tokens shall go?"
    intro += "" if left is None else f" {count(left, 'token')} left."
    return await app.push_screen_wait(
        NumberDialog(
            action.label, intro, "1", whole_number(1, left), lambda value: meaning(view, value)
        )
    )


async def _ask_positive(
    app: "WorkbenchApp", action: Action, view: RunView, intro: str, present: float
) -> Answer:
    assert action.meaning is not None
    meaning = action.meaning
    return await app.push_screen_wait(
        NumberDialog(
            action.label,
            f"{intro} The config says {present:g}.",
            f"{present:g}",
            positive_number,
            lambda value: meaning(view, value),
        )
    )


def _how_to_stop() -> ChoiceDialog[bool]:
    return ChoiceDialog(
        "stop the run",
        (
            DialogChoice(
                True, "save, then stop", "nothing is lost; icot-tui resume goes on from there", "s"
            ),
            DialogChoice(
                False, "stop at once", "what was trained since the last checkpoint is lost", "n"
            ),
        ),
    )
