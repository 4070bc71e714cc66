"""`icot-tui play`: the playground as an app of its own."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from textual.app import App

from icot_tui.plain import plain
from icot_tui.tui.actions import theme_actions
from icot_tui.tui.app.ascii import draw_with
from icot_tui.tui.app.options import Options
from icot_tui.tui.app.themes import ThemeShelf
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.session.screen_exit import ExitChoice

if TYPE_CHECKING:
    from icot_tui.tui.app.app import Severity, WorkbenchApp


class PlayApp(App[ExitChoice], inherit_bindings=False):
    """Nothing but the playground.

    Args:
        options: how the screen was asked for.
        names: runs and checkpoints; none: the latest run.
        state: what is remembered of the user.
        device: says where models go.
        question: asked at once.
    """

    CSS_PATH = "../app/app.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "icot-tui"
    BINDINGS = [("ctrl+c", "leave", "leave"), ("ctrl+z", "suspend_process", "stop")]

    def __init__(
        self,
        options: Options,
        names: Sequence[str] = (),
        state: UserState | None = None,
        device: Callable[[], str] = lambda: "cpu",
        question: str = "",
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.options = options
        self.state = state or UserState.load()
        self.shelf = ThemeShelf()
        self.play = PlayScreen(
            options.runs,
            names,
            ascii_only=options.draws_ascii,
            device=device,
            question=question,
        )

    def on_mount(self) -> None:
        """Colours, and the playground."""
        theme_actions.set_up_themes(cast("WorkbenchApp", self))  # it has all that themes need
        draw_with(self, ascii=self.options.draws_ascii)
        self.push_screen(self.play, lambda _: self.exit("close"))

    def action_leave(self) -> None:
        """At once."""
        self.exit("close")

    def tell(self, text: str, severity: "Severity" = "information", seconds: float = 6.0) -> None:
        """A short message in the corner; nothing in it is markup."""
        self.notify(plain(text), severity=severity, timeout=seconds, markup=False)
