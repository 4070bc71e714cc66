"""Where the command line and the app meet."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

    from icot_tui.engine.run_folder import RunFolder
    from icot_tui.studies.trial_list import TrialList
    from icot_tui.tui.app.settings import Settings
    from icot_tui.tui.session.screen_exit import ExitChoice
    from icot_tui.tui.session.training_thread import TrainingThread


@dataclass(frozen=True)
class Look:
    """How the screen is to look, as far as the command line says.

    Attributes:
        theme: name; None for what the user has chosen before.
        ascii: draw with ASCII characters only.
        low_bandwidth: at most two redraws a second, no animation.
    """

    theme: str | None = None
    ascii: bool = False
    low_bandwidth: bool = False


def prepare(look: Look) -> None:
    """Check what can be checked, and tell Textual what it reads once, when it is imported.

    Raises:
        UserError: there is no such theme, or the user's settings have a mistake.
    """
    settings = _settings()
    if look.theme is not None:
        from icot_tui.themes import load_theme

        load_theme(look.theme)
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    if look.low_bandwidth or settings.low_bandwidth:
        os.environ["TEXTUAL_FPS"] = "2"


def launch_app(
    engine: "TrainingThread", runs: Path, look: Look, welcome: bool
) -> "App[ExitChoice]":
    """The workbench around a run that is trained in this process."""
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.options import Options
    from icot_tui.tui.app.user_state import UserState

    options = Options(
        runs,
        ascii=look.ascii,
        low_bandwidth=look.low_bandwidth,
        welcome=welcome,
        theme=look.theme,
        settings=_settings(),
    )
    return WorkbenchApp(engine, None, options, UserState.load())


def attach_app(
    shown: "RunFolder | TrialList",
    runs: Path,
    look: Look,
    control: bool,
    replay: float | None,
) -> "App[ExitChoice]":
    """The workbench as a viewer; `replay` is the speed at which a run is played."""
    from icot_tui.engine.run_folder import RunFolder
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.options import Options
    from icot_tui.tui.app.user_state import UserState
    from icot_tui.watch.replay import Replay
    from icot_tui.watch.source import RunFollower, Source

    study = None if isinstance(shown, RunFolder) else shown
    options = Options(
        runs if study is None else study.folder.runs,
        control,
        look.ascii,
        look.low_bandwidth,
        theme=look.theme,
        settings=_settings(),
        study=study,
    )
    source: Source | None = None
    if isinstance(shown, RunFolder):
        source = RunFollower(shown) if replay is None else Replay(shown, replay)
    return WorkbenchApp(None, source, options, UserState.load())


def play_app(
    runs: Path, names: Sequence[str], look: Look, device: Callable[[], str], question: str
) -> "App[ExitChoice]":
    """The playground alone; `device` is asked once PyTorch is loaded."""
    from icot_tui.tui.app.options import Options
    from icot_tui.tui.app.user_state import UserState
    from icot_tui.tui.play.app import PlayApp

    options = Options(
        runs,
        ascii=look.ascii,
        low_bandwidth=look.low_bandwidth,
        theme=look.theme,
        settings=_settings(),
    )
    return PlayApp(options, names, UserState.load(), device, question)


def _settings() -> "Settings":
    from icot_tui.tui.app.settings import load_settings

    return load_settings()
