"""Builds the apps of the screen from what the command line says."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import RunFolder

if TYPE_CHECKING:
    from textual.app import App

    from icot_tui.studies.trial_list import TrialList
    from icot_tui.tui.app.settings import Options
    from icot_tui.tui.session.run_app import ExitChoice, ScreenExit
    from icot_tui.tui.session.training_thread import TrainingThread


def screen_options(
    runs: Path,
    *,
    theme: str | None,
    ascii: bool,
    low_bandwidth: bool,
    welcome: bool = False,
    control: bool = False,
) -> "Options":
    """The screen's options, with the user's settings.

    Raises:
        UserError: the settings have a mistake.
    """
    from icot_tui.tui.app.settings import Options, load_settings

    return Options(
        runs=runs,
        control=control,
        ascii=ascii,
        low_bandwidth=low_bandwidth,
        welcome=welcome,
        theme=theme,
        settings=load_settings(),
    )


def prepare(options: "Options") -> None:
    """Set what Textual reads when it is imported, and check the theme.

    Raises:
        UserError: there is no such theme.
    """
    if options.theme is not None:
        from icot_tui.themes import load_theme

        load_theme(options.theme)
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    if options.saves_bandwidth:
        os.environ["TEXTUAL_FPS"] = "2"


def launch_app(engine: "TrainingThread", options: "Options") -> "App[ExitChoice]":
    """The workbench around a run that is trained in this process."""
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.user_state import UserState

    return WorkbenchApp(engine, None, options, UserState.load())


def attach_app(
    shown: "RunFolder | TrialList", options: "Options", replay: float | None
) -> "App[ExitChoice]":
    """The workbench as a viewer; `replay` is the speed at which a run is replayed."""

    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.user_state import UserState
    from icot_tui.watch.replay import Replay
    from icot_tui.watch.source import RunFollower, Source

    source: Source | None = None
    if isinstance(shown, RunFolder):
        source = RunFollower(shown) if replay is None else Replay(shown, replay)
    else:
        options = replace(options, runs=shown.folder.runs, study=shown)
    return WorkbenchApp(None, source, options, UserState.load())


def play_app(
    options: "Options", names: Sequence[str], device: Callable[[], str], question: str
) -> "App[ExitChoice]":
    """The playground alone; `device` is called once PyTorch is loaded."""
    from icot_tui.tui.app.user_state import UserState
    from icot_tui.tui.play.app import PlayApp

    return PlayApp(options, names, UserState.load(), device, question)


def show(build_app: "Callable[[], App[ExitChoice]]") -> int:
    """Run an app that trains nothing. Returns the exit status.

    Raises:
        Exception: what ended the app.
    """
    from icot_tui.tui.session.run_app import run_with_screen

    left: ScreenExit = run_with_screen(build_app)
    if left.error is not None:
        raise left.error
    return 143 if left.reason == "terminated" else 0
