"""What the commands with a screen share: its options, and running an app that trains nothing."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from icot_tui.cli.former_children import FORMER_CHILDREN, former_children

if TYPE_CHECKING:
    from icot_tui.tui.app.settings import Options
    from icot_tui.tui.session.run_app import ScreenApp

FROM_HOME = "ICOT_TUI_FROM_HOME"
"""Environment variable that tells a command that the home screen has become it."""


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
        from_home=os.environ.pop(FROM_HOME, "") != "",
    )
    if theme is not None:
        load_theme(theme)
    if options.saves_bandwidth:
        from textual import constants

        vars(constants).update(MAX_FPS=2)  # which textual.screen reads when it is imported
    return options


def show(build_app: "Callable[[], ScreenApp]") -> int:
    """Run an app that trains nothing, and then the home screen if the user goes there.

    Returns the exit status, or raises what ended the app.
    """
    from icot_tui.tui.session.run_app import run_with_screen

    left = run_with_screen(build_app)
    if left.error is not None:
        raise left.error
    if left.home:
        become()
    return 143 if left.reason == "terminated" else 0


def become(*command: str, left: int | None = None) -> NoReturn:
    """Go on as `icot-tui` with these arguments; without any it is the home screen.

    A process of its own: `launch` forks, which wants one without a screen's threads. What it had
    started ends with it, but for trainings that were left in the background, such as `left`.
    """
    import psutil

    trainings = former_children() | (set() if left is None else {left})
    for child in psutil.Process().children():
        if child.pid not in trainings:
            with suppress(psutil.NoSuchProcess):
                child.kill()
                child.wait()
    os.environ[FORMER_CHILDREN] = " ".join(map(str, trainings))
    for number in (signal.SIGINT, signal.SIGQUIT):  # which the parent of a training ignores
        signal.signal(number, signal.SIG_DFL)
    program = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    os.execv(sys.executable, [sys.executable, *program, *command])
