"""Short messages in the corner of the screen."""

from typing import Any

from textual.app import App
from textual.notifications import SeverityLevel
from textual.widget import Widget

from icot_tui.formatting import plain


def notify_user(
    node: App[Any] | Widget,
    text: str,
    severity: SeverityLevel = "information",
    seconds: float = 6.0,
) -> None:
    """Show a message, of which nothing is markup; an empty one is not shown."""
    if text:
        node.notify(plain(text), severity=severity, timeout=seconds, markup=False)
