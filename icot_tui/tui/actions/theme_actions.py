"""Colours, sizes and places: what one can change of how the screen looks."""

import os
from typing import TYPE_CHECKING

from textual.color import Color
from textual.filter import Monochrome, NoColor

from icot_tui.themes import DEFAULT_THEME
from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice
from icot_tui.tui.screens.panels import PanelsDialog

if TYPE_CHECKING:
    from icot_tui.tui.app.app import WorkbenchApp

SCREEN_THEME = "night"
"""For who has chosen none."""
SWITCH_SECONDS = 0.05
STEP = 1.2
"""How much larger or smaller at a time."""


def set_up_themes(app: "WorkbenchApp") -> None:
    """Register all themes and put the user's on: chosen here, by environment, or by settings."""
    for theme in app.shelf.themes.values():
        app.register_theme(theme)
    _tell_mistakes(app)
    wanted = (
        app.options.theme,
        app.state.theme,
        os.environ.get("ICOT_TUI_THEME"),
        app.options.settings.theme,
    )
    chosen = next((name for name in wanted if name), SCREEN_THEME)
    if chosen not in app.shelf.themes:
        app.tell(f"there is no theme '{chosen}'; t shows those that there are", "warning")
        chosen = SCREEN_THEME
    if app.no_color:
        chosen = DEFAULT_THEME  # the terminal's own colours, of which none is then used
        app._filters[:] = [
            NoColor() if isinstance(each, Monochrome) else each for each in app._filters
        ]
    app.theme = chosen


def put_on(app: "WorkbenchApp", name: str) -> None:
    """Change the theme, and draw nothing until all styles are the new ones.

    Between the terminal's own colours and others Textual would otherwise mix what can't be mixed.
    """
    app.delay_update(SWITCH_SECONDS)
    app.theme = name


def look_at_themes(app: "WorkbenchApp") -> None:
    """Take over what the user has changed in a theme file."""
    if not app.shelf.look():
        return
    for theme in app.shelf.themes.values():
        app.register_theme(theme)
    _tell_mistakes(app)
    app.delay_update(SWITCH_SECONDS)
    if app.theme in app.shelf.themes:
        app.refresh_css(animate=False)
        app.screen.refresh(layout=True)
    else:
        put_on(app, SCREEN_THEME)


def _tell_mistakes(app: "WorkbenchApp") -> None:
    for mistake in app.shelf.mistakes:
        app.tell(mistake, "error", seconds=12.0)


def choose_theme(app: "WorkbenchApp") -> None:
    """A list; what is highlighted is seen at once."""
    names = list(app.shelf.themes)
    before = app.theme

    def preview(name: str) -> None:
        if app.theme != name and not app.no_color:
            put_on(app, name)

    def chosen(name: str | None) -> None:
        if name is None:
            preview(before)
            return
        preview(name)
        app.state.theme = name
        app.remember()

    choices = [DialogChoice(name, f"{name:<12} {_kind(app, name)}") for name in names]
    app.push_screen(
        ChoiceDialog(
            "theme",
            choices,
            intro="NO_COLOR is set, so no colours are drawn." if app.no_color else "",
            start=names.index(before) if before in names else 0,
            highlighted=preview,
            width=46,
        ),
        chosen,
    )


def _kind(app: "WorkbenchApp", name: str) -> str:
    theme = app.shelf.themes[name]
    if theme.ansi:
        return "the terminal's own colours"
    return "dark" if Color.parse(theme.background or "#000000").brightness < 0.5 else "light"


def full_screen(app: "WorkbenchApp") -> None:
    """Give the panel in focus the whole screen, or take it back."""
    panel = app.live.focused_panel
    if app.wanted.full is not None:
        app.wanted.full = None
    elif panel is not None and panel.id is not None:
        app.wanted.full = panel.id
    else:
        chart = app.live.chart
        seen = app.live.board.seen
        with_chart = [one for one in seen if chart is not None and one in chart.ancestors]
        app.wanted.full = (with_chart or seen)[0].id
    app.live.rearrange()


def back(app: "WorkbenchApp") -> None:
    """Leave the full screen, or take the value cursor away."""
    if app.wanted.full is not None:
        full_screen(app)
    elif app.live.chart is not None:
        app.live.chart.hide_cursor()


def choose_panels(app: "WorkbenchApp") -> None:
    """Show and hide panels."""

    def closed(_: object) -> None:
        app.remember()

    app.push_screen(PanelsDialog(app.wanted, app.live.rearrange), closed)


def grow(app: "WorkbenchApp") -> None:
    """Make the panel in focus larger."""
    _resize(app, STEP)


def shrink(app: "WorkbenchApp") -> None:
    """Make the panel in focus smaller."""
    _resize(app, 1 / STEP)


def _resize(app: "WorkbenchApp", factor: float) -> None:
    panel = app.live.focused_panel
    name = panel.id if panel is not None else None
    if name not in PANEL_IDS:
        app.tell("Go to a panel first, with Tab or its number.", "warning")
        return
    app.wanted.scale(name, factor)
    app.live.rearrange()
    app.remember()
