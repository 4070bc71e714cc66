"""The part of the workbench that its actions and its redraws use."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from icot_tui.tui.actions.action import key_map
from icot_tui.tui.actions.runner import bind_keys, notify_user
from icot_tui.tui.actions.table import LIVE_TABLE
from icot_tui.tui.app.base import BaseApp
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.themes import ThemeSwitcher
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.frame.layout import LayoutChoices
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.live import LiveScreen

if TYPE_CHECKING:
    from icot_tui.tui.run.monitor import RunMonitor
    from icot_tui.tui.session.training_thread import TrainingThread
    from icot_tui.watch.source import Source


class Workbench(BaseApp, inherit_bindings=False):
    """Runs, the live screen and the user's choices.

    Args:
        engine: trains in this process; None for a viewer.
        source: the run that is watched; None: the engine's, or the user chooses from a list.
        options: how the screen was asked for.
        state: what is remembered of the user.
    """

    def __init__(
        self,
        engine: "TrainingThread | None",
        source: "Source | None",
        options: Options,
        state: UserState | None = None,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.options = options
        self.state = state or UserState.load()
        self.keys = key_map(LIVE_TABLE, options.settings.keys)
        self.live = LiveScreen(
            LayoutChoices(self.state.hidden, self.state.widths, self.state.heights), self.keys
        )
        self.themes = ThemeSwitcher(self, options, self.state)
        self._source = source
        bind_keys(self, LIVE_TABLE, self.keys)

    @cached_property
    def monitor(self) -> "RunMonitor":
        """The runs on show."""
        # They and the actions need numpy, charts and dialogs: the first frame comes without.
        from icot_tui.tui.run.monitor import RunMonitor

        ascii, axis, study = self.options.draws_ascii, self.state.axis, self.options.study
        return RunMonitor(self.engine, self._source, ascii, axis, study)

    @property
    def view(self) -> RunView | None:
        return self.monitor.view

    def get_default_screen(self) -> Screen[Any]:
        return self.live

    def save_state(self) -> None:
        """Keep what the user has chosen."""
        notify_user(self, self.state.save(), "warning")

    def draw(self) -> RunView | None:
        """Read what is new and show it."""
        raise NotImplementedError

    def action_perform(self, name: str) -> None:
        """Run an action of the table: what every key is bound to."""
        raise NotImplementedError
