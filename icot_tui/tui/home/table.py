"""The actions of the home screen."""

from icot_tui.tui.actions.action import ActionTable, actions_of

FOOTER = ("help", "quit", "latest", "new", "runs", "play", "studies", "theme", "palette")
"""What the footer finds room for, the most important first."""
START_ACTIONS = actions_of(
    "start",
    (
        ("latest", "c", "continue", "Continue with the latest run: watch, resume or look at it."),
        ("new", "n", "new run", "Start a run: pick a sample and change what matters."),
        ("runs", "r", "runs", "List all runs and open one."),
        ("play", "k", "ask", "Ask checkpoints anything, and look inside them."),
        ("studies", "s", "studies", "Rerun tables and figures of the papers."),
    ),
)
HOME_TABLE = ActionTable(
    title="keys of the home screen",
    intro="Up and down choose, Enter starts. These keys do the same.",
    groups={"start": "What to begin with", "app": "The screen itself"},
    actions=(
        *START_ACTIONS,
        *actions_of(
            "app",
            (
                ("help", "?", "help", "Show all keys and what they do."),
                ("palette", ":", "commands", "Find an action by name and run it."),
                ("theme", "t", "theme", "Choose the colours."),
                ("suspend", "ctrl+z", "stop", "Suspend the screen until fg in the shell."),
                ("quit", "q ctrl+c escape", "quit", "Leave."),
            ),
        ),
    ),
)
