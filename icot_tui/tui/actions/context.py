"""What the handlers of the live screen work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.app import App
from textual.notifications import SeverityLevel

from icot_tui.tui.actions.keymap import KeyMap
from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.run.monitor import RunMonitor
from icot_tui.tui.screens.live import LiveScreen
from icot_tui.tui.session.training_thread import TrainingThread


@dataclass(frozen=True, kw_only=True)
class LiveContext:
    """The parts of the workbench.

    Attributes:
        app: Textual's side of it: dialogs, clipboard, bell, exit.
        live: the live screen.
        monitor: the runs on show.
        engine: trains in this process; None for a viewer.
        options: how the screen was asked for.
        state: what is remembered of the user.
        keys: of the live screen.
        draw: reads what is new and shows it now.
        perform: runs an action by its name.
    """

    app: App[Any]
    live: LiveScreen
    monitor: RunMonitor
    engine: TrainingThread | None
    options: Options
    state: UserState
    keys: KeyMap
    draw: Callable[[], object]
    perform: Callable[[str], None]

    def notify(
        self, text: str, severity: SeverityLevel = "information", seconds: float = 6.0
    ) -> None:
        """Show a short message."""
        notify_user(self.app, text, severity, seconds)

    def save_state(self) -> None:
        """Keep what the user has chosen."""
        self.notify(self.state.save(), "warning")
