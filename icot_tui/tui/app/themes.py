"""Theme files become Textual themes; those of the user are read again when they change."""

from pathlib import Path

from textual.color import Color
from textual.theme import Theme as TextualTheme

from icot_tui import themes
from icot_tui.errors import UserError
from icot_tui.themes import Theme


def textual_theme(theme: Theme) -> TextualTheme:
    """The same colours for the screen; with the terminal's own colours where it names them."""
    ansi = theme.background.startswith("ansi_")
    return TextualTheme(
        **theme.model_dump(),
        boost=theme.surface,
        ansi=ansi,
        variables=_variables(theme, ansi),
    )


def _variables(theme: Theme, ansi: bool) -> dict[str, str]:
    """Parts that Textual would mix by itself; the terminal's own colours can't be mixed."""
    variables = {
        "block-cursor-background": "ansi_default" if ansi else _mixed(theme, 0.3),
        "block-cursor-foreground": theme.foreground,
        "block-cursor-text-style": "bold reverse" if ansi else "bold",
        "border": theme.accent,
        "border-blurred": theme.panel,
        "scrollbar": "ansi_bright_black" if ansi else _mixed(theme, 0.5),
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
    return variables


def _mixed(theme: Theme, share: float) -> str:
    """The surface with so much of the primary colour in it."""
    return Color.parse(theme.surface).blend(Color.parse(theme.primary), share).hex6


class ThemeLibrary:
    """All themes, and what is wrong with those that can't be read.

    Attributes:
        themes: by name.
        mistakes: a sentence for each file that has one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or themes.user_theme_folder()
        self._seen: dict[str, int] = {}
        self.themes: dict[str, TextualTheme] = {}
        self.mistakes: list[str] = []
        self.read()

    def read(self) -> bool:
        """Read all files if one of the user's has changed since; True if so."""
        now = self._stamps()
        if self.themes and now == self._seen:
            return False
        self._seen = now
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

    def _stamps(self) -> dict[str, int]:
        stamps = {}
        try:
            for path in self._folder.glob("*.toml"):
                stamps[path.name] = path.stat().st_mtime_ns
        except OSError:
            pass
        return stamps
