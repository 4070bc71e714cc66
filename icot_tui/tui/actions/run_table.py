"""The actions that step into a run: every command of the engine, and what it means for the run."""

from icot_tui.engine.loop import commands
from icot_tui.engine.loop.commands import Command
from icot_tui.formatting import count
from icot_tui.tui.actions.action import Action, Answer, Question, ToCommand, ToWords
from icot_tui.tui.run.view import RunView


def _pause(view: RunView, answer: Answer) -> Command:
    return commands.Pause() if view.history.summary.paused is None else commands.Resume()


def _hold(view: RunView, answer: Answer) -> Command:
    return commands.Hold(on=not view.history.summary.metrics.held)


def _holding_means(view: RunView, answer: Answer) -> str:
    if view.history.summary.metrics.held:
        return "Let the removal schedule go on: tokens are removed again when their time comes."
    return (
        f"Hold the removal schedule at stage {view.history.summary.removed_tokens}: training goes "
        "on, but no further token is removed until you let go."
    )


def _advance(view: RunView, answer: Answer) -> Command:
    return commands.Advance(tokens=int(answer or 0))


def _advancing_means(view: RunView, answer: Answer) -> str:
    summary = view.history.summary
    stage, most = summary.metrics.stage + int(answer or 0), summary.max_cot_tokens
    after = stage if most is None else min(stage, most)
    of = "" if most is None else f" of {most}"
    return (
        f"With the next step the stage rises from {summary.metrics.stage} to {after}{of}. The loss "
        "will jump, and the model has to recover from it; the schedule goes on from there."
    )


def _rollback(view: RunView, answer: Answer) -> Command:
    return commands.Rollback(step=None if answer is None else int(answer))


def _going_back_means(view: RunView, answer: Answer) -> str:
    since = max(0, view.history.summary.metrics.step - int(answer or 0))
    lost = (
        f"What was learnt in the {count(since, 'step')} since is given up"
        if since
        else ("Nothing was learnt since")
    )
    return (
        f"Weights, optimizer and stage become those of step {int(answer or 0):,}. {lost}; the "
        "count of steps and the data go on."
    )


def _reset_optimizer(view: RunView, answer: Answer) -> Command:
    return commands.ResetOptimizer()


def _resetting_means(view: RunView, answer: Answer) -> str:
    return (
        "AdamW forgets its averages of past gradients and starts with fresh ones; the weights "
        "stay. This can calm a spike. Only going back to a checkpoint undoes it."
    )


def _set_delta(view: RunView, answer: Answer) -> Command:
    return commands.SetRemovePerEpoch(remove_per_epoch=float(answer or 0))


def _delta_means(view: RunView, answer: Answer) -> str:
    return (
        f"The linear schedule goes on from stage {view.history.summary.removed_tokens} at a pace "
        f"of {float(answer or 0):g} tokens an epoch."
    )


def _set_rate(view: RunView, answer: Answer) -> Command:
    return commands.SetLearningRate(learning_rate=float(answer or 0))


def _rate_means(view: RunView, answer: Answer) -> str:
    return f"From the next step on the peak learning rate is {float(answer or 0):g}."


def _stop(view: RunView, answer: Answer) -> Command:
    return commands.Stop(save=bool(answer))


def _run(
    name: str,
    key: str,
    label: str,
    help: str,
    command: ToCommand,
    footer: int = 0,
    question: Question | None = None,
    meaning: ToWords | None = None,
    needs_removals: bool = False,
) -> Action:
    return Action(
        name=name,
        keys=(key,),
        label=label,
        help=help,
        group="run",
        footer=footer,
        command=command,
        question=question,
        meaning=meaning,
        needs_removals=needs_removals,
    )


RUN_ACTIONS = (
    _run("pause", "p", "pause", "Pause training before its next step, or let it go on.", _pause, 3),
    _run(
        "hold", "h", "hold",
        "Hold the removal schedule while training goes on, or let go.",
        _hold, 5, meaning=_holding_means, needs_removals=True,
    ),
    _run(
        "advance", "a", "advance",
        "Remove more tokens with the next step.",
        _advance, 6, "tokens", _advancing_means, needs_removals=True,
    ),
    _run(
        "rollback", "b", "go back",
        "Go back to a checkpoint: weights, optimizer and stage.",
        _rollback, 7, "checkpoint", _going_back_means,
    ),
    _run(
        "reset-optimizer", "o", "optimizer",
        "Drop the optimizer's memory of past gradients.",
        _reset_optimizer, meaning=_resetting_means,
    ),
    _run(
        "evaluate", "e", "evaluate",
        "Measure exact match on the validation examples now.",
        lambda view, answer: commands.Evaluate(), 9,
    ),
    _run("save", "s", "save", "Write a checkpoint now.", lambda view, answer: commands.Save(), 8),
    _run(
        "set-delta", "d", "pace",
        "Change Δ: tokens that the linear schedule removes an epoch.",
        _set_delta, question="delta", meaning=_delta_means, needs_removals=True,
    ),
    _run(
        "set-lr", "l", "learning rate",
        "Change the peak learning rate.",
        _set_rate, question="rate", meaning=_rate_means,
    ),
    _run("stop", "X", "stop", "End the run: after saving, or at once.", _stop, question="stop"),
)  # fmt: skip
