"""`icot-tui attach`: show a run or a study, live, dead or finished."""

import gc
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.options import Ascii, LowBandwidth, Runs, Theme, examples
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from textual.app import App

    from icot_tui.studies.trial_list import TrialList
    from icot_tui.tui.app.settings import Options
    from icot_tui.tui.session.run_app import ExitChoice

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui attach",
    "icot-tui attach demo-2 --control",
    "icot-tui attach demo-2 --replay --speed 20",
    "icot-tui attach ablation",
)


@app.command(epilog=EXAMPLES)
def attach(
    run: Annotated[
        str | None,
        Argument(metavar="RUN_OR_STUDY", help="Its name or folder (default: the latest run)."),
    ] = None,
    runs: Runs = None,
    control: Annotated[
        bool, Option("--control", help="Also control the run, if it is yours.")
    ] = False,
    replay: Annotated[bool, Option("--replay", help="Replay the run from its beginning.")] = False,
    speed: Annotated[float, Option(help="For --replay: multiple of the original speed.")] = 20,
    theme: Theme = None,
    ascii_only: Ascii = False,
    low_bandwidth: LowBandwidth = False,
) -> int:
    """Show a run or a study from another terminal; read-only unless --control is given.

    Of a study, the running trials are overlaid in the charts; r lists all of them.
    """
    from icot_tui.tui.session import terminal

    if not 0 < speed < float("inf"):
        raise UserError(f"--speed must be a number above 0, such as 20, not {speed}")
    if control and replay:
        raise UserError("--control and --replay exclude each other: the past can't be controlled")
    runs = runs or runs_folder()
    shown = _find(runs, run)
    if isinstance(shown, RunFolder):
        other = f"'icot-tui runs show {shown.path}' prints the run"
        if control:
            _check_is_own(shown)
    else:
        other = "'icot-tui runs list' prints the runs"
        if control or replay:
            raise UserError(
                f"{shown.name} is a study: name one of its runs to control or replay it"
            )
    if not terminal.is_usable():
        raise UserError(f"there is no terminal to draw on: {other}")
    gc.disable()  # imports for the first frame leave no garbage; the screen enables it again
    from icot_tui.cli.screen import screen_options, show

    options = screen_options(
        runs, theme=theme, ascii=ascii_only, low_bandwidth=low_bandwidth, control=control
    )
    return show(lambda: _build_app(shown, options, speed if replay else None))


def _build_app(
    shown: "RunFolder | TrialList", options: "Options", replay: float | None
) -> "App[ExitChoice]":
    """The workbench as a viewer; `replay` is the speed at which a run is replayed."""
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.user_state import UserState
    from icot_tui.watch.source import Replay, RunFollower, Source

    source: Source | None = None
    if isinstance(shown, RunFolder):
        source = RunFollower(shown) if replay is None else Replay(shown, replay)
    else:
        options = replace(options, runs=shown.folder.runs, study=shown)
    return WorkbenchApp(None, source, options, UserState.load())


def _find(runs: Path, name: str | None) -> "RunFolder | TrialList":
    """A run, or else a study; a `UserError` where there is neither."""
    from icot_tui.studies.trial_list import TrialList, find_study_folder

    try:
        return RunFolder.find(runs, name)
    except UserError:
        study = None if name is None else find_study_folder(runs, name)
        if study is None:
            raise
        return TrialList(study)


def _check_is_own(folder: "RunFolder") -> None:
    """Raises: UserError for another user's run, or one without a mailbox."""
    try:
        owner = os.stat(folder.control).st_uid
    except OSError as error:
        raise UserError(f"run {folder.name} takes no commands: {error.strerror}") from error
    if owner != os.geteuid():
        raise UserError(f"run {folder.name} belongs to another user: leave out --control")
