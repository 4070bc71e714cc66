"""Bare `icot-tui`: on a terminal a screen that offers what one can begin with."""

import os
import sys
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import runs_folder
from icot_tui.output import say

if TYPE_CHECKING:
    from icot_tui.tui.home.app import HomeApp


def home() -> int:
    """Show the home screen, then become the command that was chosen. Returns the exit status."""
    from icot_tui.cli.screen import screen_options, show

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
    say("icot-tui", *command, flush=True)
    # A process of its own: `launch` forks, which wants one without a screen's threads.
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], *command])
