"""Bare `icot-tui`: on a terminal a screen that offers what one can begin with."""

import os
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import runs_folder
from icot_tui.output import say

if TYPE_CHECKING:
    from icot_tui.tui.home.app import HomeApp

PRINTING = ("launch", "study")
"""Commands that leave lines in the shell, which begin with the command."""
WITH_SCREEN = ("attach", "launch", "play")
"""Commands from whose screen the way leads back."""


def home() -> int:
    """Show the home screen, then become the command that was chosen. Returns the exit status."""
    from icot_tui.cli.screen import FROM_HOME, become, screen_options, show

    options = screen_options(runs_folder(), theme=None, ascii=False, low_bandwidth=False)
    apps: list[HomeApp] = []

    def build_app() -> "HomeApp":
        from icot_tui.tui.home.app import HomeApp

        apps.append(HomeApp(options))
        return apps[0]

    status = show(build_app)
    command = apps[0].command
    if not command:
        return status
    if command[0] in PRINTING:
        say("icot-tui", *command, flush=True)
    if command[0] in WITH_SCREEN:
        os.environ[FROM_HOME] = "1"
    become(*command)
