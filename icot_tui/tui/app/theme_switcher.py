"""The colours of an app: chosen at first, changed by the user, read again from their files."""

import os
from typing import Any

from textual.app import App
from textual.color import Color
from textual.filter import Monochrome, NoColor

from icot_tui.themes import DEFAULT_THEME
from icot_tui.tui.actions.notify import notify_user
from icot_tui.tui.app.options import Options
from icot_tui.tui.app.themes import ThemeLibrary
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice

SCREEN_THEME = "night"
"""Where the user has chosen none."""
SWITCH_SECONDS = 0.05
CHECK_SECONDS = 2.0
"""Between two looks at the theme files."""


class ThemeSwitcher:
    """Gives an app its theme."""

    def __init__(self, app: App[Any], options: Options, state: UserState) -> None:
        self._app = app
        self._options = options
        self._state = state
        self._library = ThemeLibrary()

    def start(self) -> None:
        """Register all themes, apply the user's, and follow the theme files."""
        app = self._app
        self._register()
        wanted = (
            self._options.theme,
            self._state.theme,
            os.environ.get("ICOT_TUI_THEME"),
            self._options.settings.theme,
        )
        chosen = next((name for name in wanted if name), SCREEN_THEME)
        if chosen not in self._library.themes:
            told = f"there is no theme '{chosen}'; t shows those that there are"
            notify_user(app, told, "warning")
            chosen = SCREEN_THEME
        if app.no_color:
            chosen = DEFAULT_THEME  # the terminal's own colours, of which none is then used
            app._filters[:] = [
                NoColor() if isinstance(each, Monochrome) else each for each in app._filters
            ]
        app.theme = chosen
        app.set_interval(CHECK_SECONDS, self.check_files)

    def check_files(self) -> None:
        """Take over what the user has changed in a theme file."""
        if not self._library.read():
            return
        self._register()
        self._app.delay_update(SWITCH_SECONDS)
        if self._app.theme in self._library.themes:
            self._app.refresh_css(animate=False)
            self._app.screen.refresh(layout=True)
        else:
            self._switch(SCREEN_THEME)

    def _register(self) -> None:
        for theme in self._library.themes.values():
            self._app.register_theme(theme)
        for mistake in self._library.mistakes:
            notify_user(self._app, mistake, "error", seconds=12.0)

    def _switch(self, name: str) -> None:
        """Change the theme, and draw nothing until all styles are the new ones.

        Between the terminal's own colours and others Textual would mix what can't be mixed.
        """
        self._app.delay_update(SWITCH_SECONDS)
        self._app.theme = name

    def choose(self) -> None:
        """Show a list; what is highlighted is seen at once."""
        app, names = self._app, list(self._library.themes)
        before = app.theme

        def preview(name: str) -> None:
            if app.theme != name and not app.no_color:
                self._switch(name)

        def chosen(name: str | None) -> None:
            preview(before if name is None else name)
            if name is not None:
                self._state.theme = name
                notify_user(app, self._state.save(), "warning")

        dialog = ChoiceDialog(
            "theme",
            [DialogChoice(name, f"{name:<12} {self._kind(name)}") for name in names],
            intro="NO_COLOR is set, so no colours are drawn." if app.no_color else "",
            start=names.index(before) if before in names else 0,
            highlighted=preview,
            width=46,
        )
        app.push_screen(dialog, chosen)

    def _kind(self, name: str) -> str:
        theme = self._library.themes[name]
        if theme.ansi:
            return "the terminal's own colours"
        return "dark" if Color.parse(theme.background or "#000000").brightness < 0.5 else "light"
