"""The one table of actions: footer, help, palette and the user's key map are made from it."""

from icot_tui.tui.actions.action import Action, Group
from icot_tui.tui.actions.run_table import RUN_ACTIONS

GROUPS: dict[Group, str] = {
    "run": "The run",
    "view": "What is shown",
    "chart": "Charts",
    "replay": "Replay of a finished run",
    "app": "The screen itself",
}

PANEL_IDS = ("removal", "loss", "accuracy", "spikes", "resets", "samples", "machine", "log")
"""The panels, by the number that goes to them."""


def _view(name: str, key: str, label: str, help: str, footer: int = 0, panel: str = "") -> Action:
    return Action(name, (key,), label, help, "view", footer, panel=panel)


def _chart(
    name: str, keys: str, label: str, help: str, method: str = "", footer: int = 0
) -> Action:
    return Action(name, tuple(keys.split()), label, help, "chart", footer, chart=method)


def _other(name: str, keys: str, label: str, help: str, footer: int = 0) -> Action:
    return Action(name, tuple(keys.split()), label, help, "app", footer)


def _replay(name: str, key: str, label: str, help: str, footer: int = 0) -> Action:
    return Action(name, (key,), label, help, "replay", footer)


VIEW_ACTIONS = (
    *(
        _view(f"show-{panel}", str(at), panel, f"Go to the panel '{panel}'.", panel=panel)
        for at, panel in enumerate(PANEL_IDS, start=1)
    ),
    _view("full-screen", "f", "full screen", "Give a panel the whole screen, or take it back.", 10),
    _view("back", "escape", "back", "Leave the full screen; take the value cursor away."),
    _view("panels", "v", "panels", "Choose the panels to show; give them back their sizes.", 16),
    _view("grow", ">", "larger", "Make the panel in focus larger."),
    _view("shrink", "<", "smaller", "Make the panel in focus smaller."),
    _view("runs", "r", "runs", "List all runs: open one, or lay it over this one.", 11),
    _view("play", "k", "ask", "Ask checkpoints of this run anything, and look inside them.", 13),
    _view("filter", "/", "filter", "Search the log."),
    _view("summary", "u", "summary", "Sum the run up, with what one can do next."),
    _view("export-run", "W", "export run", "Write the run as CSV, with a model card."),
)

CHART_ACTIONS = (
    _chart("previous-removal", "[", "removals", "Go to the removal before.", "previous_mark", 12),
    _chart("next-removal", "]", "next removal", "Go to the next removal.", "next_mark"),
    _chart("zoom-in", "+ =", "closer", "Look closer.", "zoom_in"),
    _chart("zoom-out", "-", "more", "See more of the run.", "zoom_out"),
    _chart("zoom-reset", "0", "whole run", "See the whole run again.", "reset_view"),
    _chart("pan-left", ",", "earlier", "Move the view to what was earlier.", "pan_left"),
    _chart("pan-right", ".", "later", "Move the view to what was later.", "pan_right"),
    _chart("cursor-left", "left", "cursor left", "Read the values to the left.", "cursor_left"),
    _chart(
        "cursor-right", "right", "cursor right", "Read the values to the right.", "cursor_right"
    ),
    _chart("axis", "x", "axis", "Along the bottom: steps, hours, or removed tokens.", footer=14),
    _chart("digits", "i", "digits", "Accuracy of each digit of the answer, or exact match."),
    _chart("log-axis", "y", "log axis", "Logarithmic or even axis of values.", "toggle_log"),
    _chart("smoothing", "m", "smoothing", "Smooth more, less, or not at all.", "cycle_smoothing"),
    _chart("export", "w", "write chart", "Write the chart to files: text, SVG and CSV."),
)

REPLAY_ACTIONS = (
    _replay("replay-pause", "space", "play/pause", "Let the replay stand still, or go on.", 3),
    _replay("replay-slower", "{", "slower", "Play at half the speed.", 5),
    _replay("replay-faster", "}", "faster", "Play at twice the speed.", 6),
    _replay("replay-back", "(", "back", "Go back by a twentieth of the run.", 7),
    _replay("replay-forward", ")", "forward", "Go forward by a twentieth of the run.", 8),
)

APP_ACTIONS = (
    _other("help", "?", "help", "Show all keys and what they do.", 1),
    _other("palette", ":", "commands", "Find an action by its name and do it.", 4),
    _other("theme", "t", "theme", "Choose the colours.", 15),
    _other("copy", "c", "copy", "Copy the panel in focus, over SSH too; kept as a file."),
    _other("screenshot", "g", "screenshot", "Write a picture of the screen as SVG."),
    _other("bell", "n", "bell", "Ring the terminal's bell with alerts, or be silent."),
    _other(
        "suspend",
        "ctrl+z",
        "stop",
        "Stop screen and training, until the shell's fg or bg.",
    ),
    _other("quit", "q ctrl+c", "quit", "Leave; a dialog asks what becomes of the training.", 2),
)

ACTIONS: tuple[Action, ...] = (
    *RUN_ACTIONS,
    *VIEW_ACTIONS,
    *CHART_ACTIONS,
    *REPLAY_ACTIONS,
    *APP_ACTIONS,
)
BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}
