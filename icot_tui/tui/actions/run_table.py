"""The actions that change a run: every command of the engine, and what it does to the run."""

from dataclasses import replace

from icot_tui.engine.loop import commands
from icot_tui.engine.loop.commands import Command
from icot_tui.formatting import count
from icot_tui.tui.actions.action import Answer, RunCommand, actions_of
from icot_tui.tui.run.view import RunView


def _pause_or_resume(view: RunView, answer: Answer) -> Command:
    return commands.Pause() if view.history.summary.paused is None else commands.Resume()


def _toggle_hold(view: RunView, answer: Answer) -> Command:
    return commands.Hold(on=not view.history.summary.metrics.held)


def _hold_effect(view: RunView, answer: Answer) -> str:
    if view.history.summary.metrics.held:
        return "Let the removal schedule go on: tokens are removed again when their time comes."
    return (
        f"Hold the removal schedule at stage {view.history.summary.removed_tokens}: training goes "
        "on, but no further token is removed until you let go."
    )


def _advance_effect(view: RunView, answer: Answer) -> str:
    summary = view.history.summary
    stage, most = summary.metrics.stage + int(answer or 0), summary.max_cot_tokens
    after = stage if most is None else min(stage, most)
    of = "" if most is None else f" of {most}"
    return (
        f"With the next step the stage rises from {summary.metrics.stage} to {after}{of}. The loss "
        "will jump, and the model has to recover from it; the schedule goes on from there."
    )


def _rollback_effect(view: RunView, answer: Answer) -> str:
    since = max(0, view.history.summary.metrics.step - int(answer or 0))
    lost = f"What was learnt in the {count(since, 'step')} since is lost"
    return (
        f"Weights, optimizer and stage become those of step {int(answer or 0):,}. "
        f"{lost if since else 'Nothing was learnt since'}; the count of steps and the data go on."
    )


def _reset_effect(view: RunView, answer: Answer) -> str:
    return (
        "AdamW forgets its averages of past gradients and starts with fresh ones; the weights "
        "stay. This can calm a spike. Only going back to a checkpoint undoes it."
    )


def _delta_effect(view: RunView, answer: Answer) -> str:
    stage = view.history.summary.removed_tokens
    return f"From stage {stage} on, {float(answer or 0):g} tokens are removed an epoch."


def _rate_effect(view: RunView, answer: Answer) -> str:
    return f"From the next step on the peak learning rate is {float(answer or 0):g}."


RUN_COMMANDS = {
    "pause": RunCommand(_pause_or_resume),
    "hold": RunCommand(_toggle_hold, _hold_effect, needs_removals=True),
    "advance": RunCommand(
        lambda view, answer: commands.Advance(tokens=int(answer or 0)),
        _advance_effect,
        "tokens",
        needs_removals=True,
    ),
    "rollback": RunCommand(
        lambda view, answer: commands.Rollback(step=None if answer is None else int(answer)),
        _rollback_effect,
        "checkpoint",
    ),
    "reset-optimizer": RunCommand(lambda view, answer: commands.ResetOptimizer(), _reset_effect),
    "evaluate": RunCommand(lambda view, answer: commands.Evaluate()),
    "save": RunCommand(lambda view, answer: commands.Save()),
    "set-delta": RunCommand(
        lambda view, answer: commands.SetRemovePerEpoch(remove_per_epoch=float(answer or 0)),
        _delta_effect,
        "delta",
        needs_removals=True,
    ),
    "set-lr": RunCommand(
        lambda view, answer: commands.SetLearningRate(learning_rate=float(answer or 0)),
        _rate_effect,
        "rate",
    ),
    "stop": RunCommand(lambda view, answer: commands.Stop(save=bool(answer)), question="stop"),
}

RUN_ACTIONS = tuple(
    replace(action, run_command=RUN_COMMANDS[action.name])
    for action in actions_of(
        "run",
        (
            ("pause", "p", "pause", "Pause training before its next step, or let it go on."),
            ("hold", "h", "hold", "Hold the removal schedule while training goes on, or let go."),
            ("advance", "a", "advance", "Remove more tokens with the next step."),
            ("rollback", "b", "go back", "Go back to a checkpoint: weights, optimizer and stage."),
            ("reset-optimizer", "o", "optimizer", "Drop the optimizer's memory of past gradients."),
            ("evaluate", "e", "evaluate", "Measure exact match on the validation examples now."),
            ("save", "s", "save", "Write a checkpoint now."),
            (
                "set-delta",
                "d",
                "pace",
                "Change Δ: tokens that the linear schedule removes an epoch.",
            ),
            ("set-lr", "l", "learning rate", "Change the peak learning rate."),
            ("stop", "X", "stop", "End the run: after saving, or at once."),
        ),
    )
)
