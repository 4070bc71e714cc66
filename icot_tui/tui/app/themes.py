"""The colours and characters of an app: theme files, read again when they change, and ASCII."""

import os
from typing import Any, ClassVar

from textual.app import App
from textual.color import Color
from textual.filter import Monochrome, NoColor
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.theme import Theme as TextualTheme

from icot_tui import themes
from icot_tui.errors import UserError
from icot_tui.themes import DEFAULT_THEME, Theme
from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice

SCREEN_THEME = "night"
"""Where the user has chosen none."""
SWITCH_SECONDS = 0.05
CHECK_SECONDS = 2.0
"""Between two looks at the theme files."""


class AsciiScrollBar(ScrollBarRender):
    """A scroll bar whose ends lie between cells, not within them."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class ThemeSwitcher:
    """Gives an app its theme, and lets the user change it."""

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
        chosen = next(filter(None, wanted), SCREEN_THEME)
        if chosen not in self._library.themes:
            told = f"there is no theme '{chosen}'; t lists the themes"
            notify_user(app, told, "warning")
            chosen = SCREEN_THEME
        if app.no_color:
            chosen = DEFAULT_THEME  # the terminal's own colours, of which none is then used
            app._filters[:] = [
                NoColor() if isinstance(each, Monochrome) else each for each in app._filters
            ]
        app.theme = chosen
        app.set_class(self._options.draws_ascii, "-ascii")
        # Textual keeps the renderer of scroll bars for all apps of a process.
        ScrollBar.renderer = AsciiScrollBar if self._options.draws_ascii else ScrollBarRender
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

    def _kind(self, name: str) -> str:
        theme = self._library.themes[name]
        if theme.ansi:
            return "the terminal's own colours"
        return "dark" if Color.parse(theme.background or "#000000").brightness < 0.5 else "light"


class ThemeLibrary:
    """All themes, and what is wrong with those that can't be read.

    Attributes:
        themes: by name.
        mistakes: a sentence for each file that has one.
    """

    def __init__(self) -> None:
        self._written: dict[str, int] = {}
        self.themes: dict[str, TextualTheme] = {}
        self.mistakes: list[str] = []
        self.read()

    def read(self) -> bool:
        """Read all files if one of the user's has changed since; True if so."""
        try:
            files = themes.user_theme_folder().glob("*.toml")
            written = {path.name: path.stat().st_mtime_ns for path in files}
        except OSError:
            written = {}
        if self.themes and written == self._written:
            return False
        self._written = written
        self.mistakes = []
        read: dict[str, TextualTheme] = {}
        for name in themes.theme_files():
            try:
                read[name] = textual_theme(themes.load_theme(name))
                read[name].name = name
            except (UserError, OSError) as error:
                self.mistakes.append(str(error))
                if name in self.themes:  # the last one that was right
                    read[name] = self.themes[name]
        self.themes = read
        return True


def textual_theme(theme: Theme) -> TextualTheme:
    """The same colours for the screen; with the terminal's own colours where it names them.

    The variables are those that Textual would mix by itself; the terminal's own can't be mixed.
    """
    ansi = theme.background.startswith("ansi_")
    surface, primary = Color.parse(theme.surface), Color.parse(theme.primary)
    variables = {
        "block-cursor-background": "ansi_default" if ansi else surface.blend(primary, 0.3).hex6,
        "block-cursor-foreground": theme.foreground,
        "block-cursor-text-style": "bold reverse" if ansi else "bold",
        "border": theme.accent,
        "border-blurred": theme.panel,
        "scrollbar": "ansi_bright_black" if ansi else surface.blend(primary, 0.5).hex6,
        "scrollbar-background": theme.surface,
        "scrollbar-corner-color": theme.surface,
        "scrollbar-hover": theme.accent,
        "scrollbar-active": theme.accent,
        "input-selection-background": theme.primary,
    }
    if ansi:
        variables |= {
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "input-cursor-text-style": "reverse",
            "input-selection-foreground": "ansi_black",
            "screen-selection-background": theme.primary,
            "screen-selection-foreground": "ansi_black",
        }
    return TextualTheme(**theme.model_dump(), boost=theme.surface, ansi=ansi, variables=variables)
