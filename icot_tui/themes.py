"""Themes: the colours of everything that is drawn, bundled ones or the user's own.

A theme file has the keys of a Textual theme, so one file serves the terminal output and the
screens. The user's own are in `themes` in the config folder and replace those of the same name.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from icot_tui import resources
from icot_tui.config.checking import check
from icot_tui.config.toml import read_toml
from icot_tui.errors import UserError

if TYPE_CHECKING:
    import rich.theme

DEFAULT_THEME = "ansi"
"""The terminal's own sixteen colours: readable on whatever background the user chose."""

Colour = Annotated[
    str,
    Field(
        pattern=r"^(#[0-9a-fA-F]{6}|ansi_default|"
        r"ansi_(bright_)?(black|red|green|yellow|blue|magenta|cyan|white))$"
    ),
]


class Theme(BaseModel):
    """Colours as #rrggbb, or as ansi_red, ansi_bright_blue, ansi_default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    dark: bool
    primary: Colour
    secondary: Colour
    accent: Colour
    success: Colour
    warning: Colour
    error: Colour
    foreground: Colour
    background: Colour
    surface: Colour
    panel: Colour


def user_theme_folder() -> Path:
    """Folder of the user's own themes."""
    return platformdirs.user_config_path("icot-tui") / "themes"


def theme_files() -> Mapping[str, Path]:
    """Every theme's file by its name; the user's own replace those of the same name."""
    return resources.themes() | resources.toml_files(user_theme_folder())


def load_theme(name: str | None = None) -> Theme:
    """A theme by name, or the one that ICOT_TUI_THEME names, or the default.

    Raises:
        UserError: there is none of that name, or its file has a mistake.
    """
    name = name or os.environ.get("ICOT_TUI_THEME") or DEFAULT_THEME
    files = theme_files()
    if name not in files:
        alike = get_close_matches(name, files, n=1)
        hint = f"did you mean {alike[0]}" if alike else f"choose among {', '.join(files)}"
        raise UserError(f"no theme is named '{name}'; {hint}")
    path = files[name]
    raw, lines = read_toml(path)
    return check(Theme, raw, {key: f"{path}:{line}" for key, line in lines.items()}, str(path))


def rich_theme(name: str | None = None) -> "rich.theme.Theme":
    """A theme for rich: `primary`, `error`, ... as styles, and the parts of tables and progress.

    Background and foreground stay the terminal's own, so output fits in with what is around it.
    """
    from rich.theme import Theme as RichTheme

    theme = load_theme(name)
    colour = {
        key: value.removeprefix("ansi_")
        for key, value in theme.model_dump(exclude={"name", "dark"}).items()
    }
    return RichTheme(
        {key: colour[key] for key in ("primary", "secondary", "accent", "success", "warning")}
        | {
            "error": f"bold {colour['error']}",
            "muted": "dim",
            "table.header": f"bold {colour['primary']}",
            "table.title": f"bold {colour['accent']}",
            "bar.back": "dim",
            "bar.complete": colour["primary"],
            "bar.finished": colour["success"],
            "bar.pulse": colour["secondary"],
            "progress.description": "none",
            "progress.percentage": colour["primary"],
            "progress.remaining": colour["secondary"],
            "progress.elapsed": "dim",
            "progress.spinner": colour["accent"],
        }
    )
