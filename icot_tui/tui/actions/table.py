"""The actions of the live screen; for those that change the run, what they do to it."""

from dataclasses import replace

from icot_tui.engine.loop import commands
from icot_tui.engine.loop.commands import Command
from icot_tui.formatting import count
from icot_tui.tui.actions.action import ActionTable, Answer, RunCommand, actions_of
from icot_tui.tui.run.view import RunView

PANEL_IDS = ("removal", "loss", "accuracy", "spikes", "resets", "samples", "machine", "log")
"""The panels, by the number that goes to them."""


def _pause_or_resume(view: RunView, answer: Answer) -> Command:
    return commands.Pause() if view.history.summary.paused is None else commands.Resume()


def _toggle_hold(view: RunView, answer: Answer) -> Command:
    return commands.Hold(on=not view.history.summary.metrics.held)


def _hold_effect(view: RunView, answer: Answer) -> str:
    summary = view.history.summary
    word = summary.unit_word
    if summary.metrics.held:
        return f"Let the removal schedule go on: {word}s are removed again when their time comes."
    return (
        f"Hold the removal schedule at stage {summary.removed}: training goes on, but no further "
        f"{word} is removed until you let go."
    )


def _advance_effect(view: RunView, answer: Answer) -> str:
    summary = view.history.summary
    stage, most = summary.metrics.stage + int(answer or 0), summary.greatest_stage
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
    summary = view.history.summary
    return (
        f"From stage {summary.removed} on, {float(answer or 0):g} {summary.unit_word}s are removed "
        "an epoch."
    )


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

VIEW_ACTIONS = actions_of(
    "view",
    (
        *(
            (f"show-{panel}", str(at), panel, f"Go to the panel '{panel}'.")
            for at, panel in enumerate(PANEL_IDS, start=1)
        ),
        ("full-screen", "f", "full screen", "Give a panel the whole screen, or take it back."),
        ("back", "escape", "back", "Leave the full screen; take the value cursor away."),
        ("panels", "v", "panels", "Choose the panels to show; reset their sizes."),
        ("grow", ">", "larger", "Make the panel in focus larger."),
        ("shrink", "<", "smaller", "Make the panel in focus smaller."),
        ("runs", "r", "runs", "List all runs: open one, or overlay it on this one."),
        ("config", "C", "config", "Show the run's config, and where those of overlays differ."),
        ("play", "k", "ask", "Ask checkpoints of this run anything, and look inside them."),
        ("filter", "/", "filter", "Search the log."),
        ("summary", "u", "summary", "Sum the run up, with what one can do next."),
        ("export-run", "W", "export run", "Write the run as CSV, with a model card."),
    ),
)

CHART_ACTIONS = actions_of(
    "chart",
    (
        ("previous-removal", "[", "removals", "Go to the previous removal."),
        ("next-removal", "]", "next removal", "Go to the next removal."),
        ("zoom-in", "+ =", "closer", "Zoom in."),
        ("zoom-out", "-", "more", "Zoom out."),
        ("zoom-reset", "0", "whole run", "Show the whole run again."),
        ("pan-left", ",", "earlier", "Move the view to what was earlier."),
        ("pan-right", ".", "later", "Move the view to what was later."),
        ("cursor-left", "left", "cursor left", "Read the values to the left."),
        ("cursor-right", "right", "cursor right", "Read the values to the right."),
        ("axis", "x", "axis", "Along the bottom: steps, hours, or removed tokens."),
        ("digits", "i", "digits", "Accuracy of each digit of the answer, or exact match."),
        ("log-axis", "y", "log axis", "Logarithmic or linear axis of values."),
        ("smoothing", "m", "smoothing", "Smooth more, less, or not at all."),
        ("export", "w", "write chart", "Write the chart to files: text, SVG and CSV."),
    ),
)

REPLAY_ACTIONS = actions_of(
    "replay",
    (
        ("replay-pause", "space", "play/pause", "Pause the replay, or let it go on."),
        ("replay-slower", "{", "slower", "Play at half the speed."),
        ("replay-faster", "}", "faster", "Play at twice the speed."),
        ("replay-back", "(", "back", "Go back by a twentieth of the run."),
        ("replay-forward", ")", "forward", "Go forward by a twentieth of the run."),
    ),
)

APP_ACTIONS = actions_of(
    "app",
    (
        ("help", "?", "help", "Show all keys and what they do."),
        ("palette", ":", "commands", "Find an action by its name and do it."),
        ("theme", "t", "theme", "Choose the colours."),
        ("copy", "c", "copy", "Copy the panel in focus, over SSH too; kept as a file."),
        ("screenshot", "g", "screenshot", "Write a picture of the screen as SVG."),
        ("bell", "n", "bell", "Ring the terminal's bell with alerts, or be silent."),
        ("suspend", "ctrl+z", "stop", "Stop screen and training, until the shell's fg or bg."),
        ("quit", "q ctrl+c", "quit", "Leave; a dialog asks what becomes of the training."),
    ),
)

LIVE_TABLE = ActionTable(
    title="keys",
    intro=(
        "Tab and Shift-Tab, or the number keys, go from panel to panel; up, down, page up and "
        "page down scroll. On charts the wheel zooms, dragging moves, a click reads the values. "
        "Borders can be dragged."
    ),
    groups={
        "run": "The run",
        "view": "What is shown",
        "chart": "Charts",
        "replay": "Replay of a finished run",
        "app": "The screen itself",
    },
    actions=(*RUN_ACTIONS, *VIEW_ACTIONS, *CHART_ACTIONS, *REPLAY_ACTIONS, *APP_ACTIONS),
)

FOOTER = (
    "help", "quit", "pause", "replay-pause", "palette", "hold", "replay-slower", "advance",
    "replay-faster", "rollback", "replay-back", "save", "replay-forward", "evaluate",
    "full-screen", "runs", "previous-removal", "play", "axis", "theme", "panels",
)  # fmt: skip
"""What the footer finds room for, the most important first."""
FIRST_ACTIONS = (*VIEW_ACTIONS, *CHART_ACTIONS, *APP_ACTIONS)
"""What can be done before anything is known of the run."""
