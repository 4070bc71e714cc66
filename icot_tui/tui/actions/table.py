"""The actions of the live screen."""

from icot_tui.tui.actions.action import ActionTable, actions_of
from icot_tui.tui.actions.run_table import RUN_ACTIONS

PANEL_IDS = ("removal", "loss", "accuracy", "spikes", "resets", "samples", "machine", "log")
"""The panels, by the number that goes to them."""


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
        ("runs", "r", "runs", "List all runs: open one, or lay it over this one."),
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
