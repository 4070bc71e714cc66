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
        return f"Release the removal schedule: {word}s are removed again when it says so."
    return (
        f"Hold the removal schedule at stage {summary.removed}: training continues, but no further "
        f"{word} is removed until you release it."
    )


def _advance_effect(view: RunView, answer: Answer) -> str:
    summary = view.history.summary
    stage, most = summary.metrics.stage + int(answer or 0), summary.greatest_stage
    after = stage if most is None else min(stage, most)
    of = "" if most is None else f" of {most}"
    return (
        f"The next step raises the stage from {summary.metrics.stage} to {after}{of}. The loss "
        "will jump, and the model has to recover from it; the schedule continues from there."
    )


def _rollback_effect(view: RunView, answer: Answer) -> str:
    since = max(0, view.history.summary.metrics.step - int(answer or 0))
    lost = f"The {count(since, 'step')} of training since are undone"
    return (
        f"Weights, optimizer and stage become those of step {int(answer or 0):,}. "
        f"{lost if since else 'Nothing was trained since'}; step count and data order continue."
    )


def _reset_effect(view: RunView, answer: Answer) -> str:
    return (
        "The optimizer's moment estimates, its averages of past gradients, are set to zero; the "
        "weights stay. This can calm a spike. Only a rollback undoes it."
    )


def _delta_effect(view: RunView, answer: Answer) -> str:
    summary = view.history.summary
    delta = f"{float(answer or 0):g}"
    config = summary.config
    if config is not None and config.curriculum.remove_share is not None:
        return f"From stage {summary.removed} on, there are {delta} removals per epoch."
    return f"From stage {summary.removed} on, {delta} {summary.unit_word}s are removed per epoch."


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
            ("pause", "p", "pause", "Pause training before the next step, or resume it."),
            (
                "hold",
                "h",
                "hold",
                "Hold the removal schedule while training continues, or release it.",
            ),
            ("advance", "a", "advance", "Remove more tokens with the next step."),
            (
                "rollback",
                "b",
                "roll back",
                "Roll back to a checkpoint: weights, optimizer and stage.",
            ),
            ("reset-optimizer", "o", "reset optimizer", "Reset the optimizer's moment estimates."),
            ("evaluate", "e", "evaluate", "Measure exact match on the validation examples now."),
            ("save", "s", "save", "Write a checkpoint now."),
            (
                "set-delta",
                "d",
                "pace",
                "Change Δ: removals of the linear schedule per epoch.",
            ),
            ("set-lr", "l", "learning rate", "Change the peak learning rate."),
            ("stop", "X", "stop", "End the run: after saving, or at once."),
        ),
    )
)

VIEW_ACTIONS = actions_of(
    "view",
    (
        ("play", "k", "ask", "Ask checkpoints of this run anything, and look inside them."),
        ("summary", "u", "summary", "Summary of the run, and what to do next."),
        ("runs", "r", "runs", "List all runs: open one, or overlay it on this one."),
        ("config", "C", "config", "Show the run's config, and where those of overlays differ."),
        ("export-run", "W", "export run", "Write the run as CSV, with a model card."),
        ("take-control", "T", "take control", "From watching to controlling the run, or back."),
        *(
            (f"show-{panel}", str(at), panel, f"Go to the panel '{panel}'.")
            for at, panel in enumerate(PANEL_IDS, start=1)
        ),
        ("full-screen", "f", "full screen", "Show a panel full screen, or leave that."),
        ("back", "escape", "back", "Leave the full screen; hide the value cursor."),
        ("panels", "v", "panels", "Choose the panels to show; reset their sizes."),
        ("grow", ">", "larger", "Make the panel in focus larger."),
        ("shrink", "<", "smaller", "Make the panel in focus smaller."),
        ("filter", "/", "search log", "Search the log; then n and N: next and previous match."),
    ),
)

CHART_ACTIONS = actions_of(
    "chart",
    (
        ("previous-removal", "[", "removals", "Go to the previous removal."),
        ("next-removal", "]", "next removal", "Go to the next removal."),
        ("zoom-in", "+ =", "zoom in", "Zoom in on the x axis."),
        ("zoom-out", "-", "zoom out", "Zoom out on the x axis."),
        ("zoom-values-in", "Y", "zoom y in", "Zoom in on the y axis, at the cursor's value."),
        ("zoom-values-out", "U", "zoom y out", "Zoom out on the y axis."),
        ("zoom-reset", "0", "whole run", "Show the whole run again."),
        ("pan-left", ",", "pan left", "Move the view to earlier steps."),
        ("pan-right", ".", "pan right", "Move the view to later steps."),
        ("cursor-left", "left", "cursor left", "Move the value cursor left."),
        ("cursor-right", "right", "cursor right", "Move the value cursor right."),
        ("axis", "x", "axis", "X axis: steps, hours, or removed tokens."),
        ("digits", "i", "digits", "Accuracy of each digit of the answer, or exact match."),
        ("parts", "P", "parts", "The parts of the loss beside it, where it is a sum, or no more."),
        ("log-axis", "y", "log axis", "Y axis: logarithmic or linear."),
        ("smoothing", "m", "smoothing", "Smoothing: over more steps, or none."),
        ("export", "w", "write chart", "Write the chart to files: text, SVG and CSV."),
    ),
)

REPLAY_ACTIONS = actions_of(
    "replay",
    (
        ("replay-pause", "space", "play/pause", "Pause or resume the replay."),
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
        ("palette", ":", "commands", "Find an action by name and run it."),
        ("theme", "t", "theme", "Choose the colours."),
        ("copy", "c", "copy", "Copy the panel in focus, over SSH too; kept as a file."),
        ("screenshot", "g", "screenshot", "Write a picture of the screen as SVG."),
        ("bell", "n", "bell", "Terminal bell with alerts: on or off."),
        (
            "suspend",
            "ctrl+z",
            "suspend",
            "Suspend screen and training until fg or bg in the shell.",
        ),
        ("quit", "q ctrl+c", "quit", "Quit; a dialog asks what happens to the training."),
    ),
)

HOME_ACTIONS = actions_of(
    "app", (("home", "H backspace", "home", "Leave the run and go to the home screen."),)
)
"""Of a screen that was opened from the home screen."""

LIVE_TABLE = ActionTable(
    title="keys",
    intro=(
        "Tab and Shift-Tab, or the number keys, go from panel to panel; up, down, page up and "
        "page down scroll. On charts the wheel zooms (with Ctrl the y axis), dragging pans, a "
        "click sets the cursor; all charts of a run move together. Borders can be dragged."
    ),
    groups={
        "run": "The run",
        "view": "What is shown",
        "chart": "Charts",
        "replay": "Replay",
        "app": "The screen itself",
    },
    actions=(
        *RUN_ACTIONS,
        *VIEW_ACTIONS,
        *CHART_ACTIONS,
        *REPLAY_ACTIONS,
        *HOME_ACTIONS,
        *APP_ACTIONS,
    ),
)

FOOTER = (
    "help", "quit", "home", "pause", "replay-pause", "palette", "hold", "replay-slower", "advance",
    "replay-faster", "rollback", "replay-back", "save", "replay-forward", "evaluate",
    "full-screen", "runs", "previous-removal", "play", "axis", "theme", "panels",
)  # fmt: skip
"""What the footer finds room for, the most important first."""
FOOTER_ALWAYS = 7
"""Of the footer, before what concerns the focused panel."""
PANEL_KEYS = {
    "loss": (
        "parts",
        "zoom-in",
        "zoom-values-in",
        "previous-removal",
        "log-axis",
        "smoothing",
        "axis",
    ),
    "accuracy": ("digits", "zoom-in", "zoom-values-in", "previous-removal", "axis"),
    "log": ("filter",),
    "samples": ("full-screen", "play"),
    "resets": ("full-screen", "reset-optimizer"),
}
"""Actions that concern one panel, shown while it has the focus."""
FIRST_ACTIONS = (*VIEW_ACTIONS, *CHART_ACTIONS, *APP_ACTIONS)
"""What can be done before anything is known of the run."""
