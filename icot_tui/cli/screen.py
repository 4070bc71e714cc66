"""What the commands with a screen share: its options, and running an app that trains nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

    from icot_tui.tui.app.settings import Options
    from icot_tui.tui.session.run_app import ExitChoice


def screen_options(
    runs: Path,
    *,
    theme: str | None,
    ascii: bool,
    low_bandwidth: bool,
    welcome: bool = False,
    control: bool = False,
) -> "Options":
    """The screen's options, with the user's settings; a slow link is spared from here on.

    Raises:
        UserError: the settings have a mistake, or there is no such theme.
    """
    from icot_tui.themes import load_theme
    from icot_tui.tui.app.settings import Options, load_settings

    options = Options(
        runs=runs,
        control=control,
        ascii=ascii,
        low_bandwidth=low_bandwidth,
        welcome=welcome,
        theme=theme,
        settings=load_settings(),
    )
    if theme is not None:
        load_theme(theme)
    if options.saves_bandwidth:
        from textual import constants

        vars(constants).update(MAX_FPS=2)  # which textual.screen reads when it is imported
    return options


def show(build_app: "Callable[[], App[ExitChoice]]") -> int:
    """Run an app that trains nothing. Returns the exit status, or raises what ended the app."""
    from icot_tui.tui.session.run_app import run_with_screen

    left = run_with_screen(build_app)
    if left.error is not None:
        raise left.error
    return 143 if left.reason == "terminated" else 0
