"""`icot-tui attach`: look at a run or a study, live, dead or finished."""

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icot_tui.cli.launch import Ascii, LowBandwidth, Theme
from icot_tui.cli.train import Runs
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from icot_tui.engine.run_folder import RunFolder
    from icot_tui.studies.trial_list import TrialList

app = typer.Typer()

EXAMPLES = """
Examples:

  icot-tui attach

  icot-tui attach demo-2 --control

  icot-tui attach demo-2 --replay --speed 20

  icot-tui attach ablation
"""


@app.command(epilog=EXAMPLES)
def attach(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN_OR_STUDY", help="Its name or folder (default: the latest run)."
        ),
    ] = None,
    runs: Runs = None,
    control: Annotated[
        bool,
        typer.Option("--control", help="Steer the run too; only your own runs obey."),
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play the run from its beginning.")
    ] = False,
    speed: Annotated[float, typer.Option(help="--replay: how many times as fast as it was.")] = 20,
    theme: Theme = None,
    ascii_only: Ascii = False,
    low_bandwidth: LowBandwidth = False,
) -> int:
    """Show a run or a study from another terminal; read-only unless told otherwise.

    Of a study, the trials at work are drawn over each other; r lists all of them, and what is left.
    """
    from icot_tui.engine.run_folder import RunFolder, runs_folder
    from icot_tui.tui.session import terminal

    if not 0 < speed < float("inf"):
        raise UserError(f"--speed {speed} is no speed: give a number above 0, such as 20")
    if control and replay:
        raise UserError("--control and --replay exclude each other: what is past can't be steered")
    runs = runs or runs_folder()
    shown = _find(runs, run)
    if isinstance(shown, RunFolder):
        other = f"'icot-tui runs show {shown.path}' prints the run"
        if control:
            _check_is_own(shown)
    else:
        other = "'icot-tui runs list' prints the runs"
        if control or replay:
            raise UserError(f"{shown.name} is a study: name one of its runs to steer or replay it")
    if not terminal.is_usable():
        raise UserError(f"there is no terminal to draw on: {other}")
    gc.disable()  # what is imported for the first frame is no garbage; the screen enables it again
    from icot_tui.cli import app_runner

    look = app_runner.Look(theme, ascii_only, low_bandwidth)
    app_runner.prepare(look)
    from icot_tui.tui.session.run_app import run_with_screen

    left = run_with_screen(
        lambda _: app_runner.attach_app(shown, runs, look, control, speed if replay else None),
        None,
    )
    if left.failure is not None:
        raise left.failure
    return 143 if left.way == "terminated" else 0


def _find(runs: Path, name: str | None) -> "RunFolder | TrialList":
    """A run, or else a study.

    Raises:
        UserError: there is neither.
    """
    from icot_tui.engine.run_folder import RunFolder
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
        raise UserError(f"run {folder.name} is another user's: look at it without --control")
