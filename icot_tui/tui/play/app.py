"""`icot-tui play`: the playground as an app of its own."""

from collections.abc import Callable, Sequence

from icot_tui.engine.checkpoints.opened import NOTHING_GIVEN, GivenRemoval
from icot_tui.tui.actions.action import key_map
from icot_tui.tui.app.base import BaseApp
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.themes import ThemeSwitcher
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.play.action_table import PLAY_TABLE
from icot_tui.tui.play.backend import Backend
from icot_tui.tui.play.screen import PlayScreen


class PlayApp(BaseApp, inherit_bindings=False):
    """Nothing but the playground; `PlayScreen` and `Backend` say what the arguments mean."""

    BINDINGS = [("ctrl+c", "leave", "leave"), ("ctrl+z", "suspend_process", "stop")]

    def __init__(
        self,
        options: Options,
        names: Sequence[str] = (),
        state: UserState | None = None,
        device: Callable[[], str] = lambda: "cpu",
        question: str = "",
        given: GivenRemoval = NOTHING_GIVEN,
    ) -> None:
        super().__init__()
        self.options = options
        self.themes = ThemeSwitcher(self, options, state or UserState.load())
        self.play = PlayScreen(
            options.runs,
            names,
            key_map(PLAY_TABLE, options.settings.keys),
            ascii_only=options.draws_ascii,
            backend=Backend(device, given=given),
            question=question,
        )

    def on_mount(self) -> None:
        self.themes.start()
        self.push_screen(self.play, lambda _: self.action_leave())

    def action_leave(self) -> None:
        self.leave(home=self.options.from_home)
