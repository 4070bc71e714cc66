"""`icot-tui attach`: look at a run, live, dead or finished."""

import gc
import os
from typing import TYPE_CHECKING, Annotated

import typer

from icot_tui.cli.launch import Ascii, LowBandwidth, Theme
from icot_tui.cli.train import Runs
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from icot_tui.engine.run_folder import RunFolder

app = typer.Typer()

EXAMPLES = """
Examples:

  icot-tui attach

  icot-tui attach demo-2 --control

  icot-tui attach demo-2 --replay --speed 20
"""


@app.command(epilog=EXAMPLES)
def attach(
    run: Annotated[
        str | None, typer.Argument(help="A run's name or folder (default: the latest).")
    ] = None,
    runs: Runs = None,
    control: Annotated[
        bool, typer.Option("--control", help="Steer the run too; only your own runs obey.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play the run from its beginning.")
    ] = False,
    speed: Annotated[float, typer.Option(help="--replay: how many times as fast as it was.")] = 20,
    theme: Theme = None,
    ascii_only: Ascii = False,
    low_bandwidth: LowBandwidth = False,
) -> int:
    """Show a run from another terminal; read-only unless told otherwise."""
    from icot_tui.engine.run_folder import RunFolder, runs_folder
    from icot_tui.tui.session import terminal

    if not 0 < speed < float("inf"):
        raise UserError(f"--speed {speed} is no speed: give a number above 0, such as 20")
    if control and replay:
        raise UserError("--control and --replay exclude each other: what is past can't be steered")
    runs = runs or runs_folder()
    folder = RunFolder.find(runs, run)
    if control:
        _check_is_own(folder)
    if not terminal.is_usable():
        raise UserError(
            f"there is no terminal to draw on: 'icot-tui runs show {folder.path}' prints the run"
        )
    gc.disable()  # what is imported for the first frame is no garbage; the screen enables it again
    from icot_tui.cli import workbench

    look = workbench.Look(theme, ascii_only, low_bandwidth)
    workbench.prepare(look)
    from icot_tui.tui.session.run import run_with_screen

    left = run_with_screen(
        lambda _: workbench.attach_app(folder, runs, look, control, speed if replay else None),
        None,
    )
    if left.failure is not None:
        raise left.failure
    return 143 if left.way == "terminated" else 0


def _check_is_own(folder: "RunFolder") -> None:
    """Raises: UserError for another user's run, or one without a mailbox."""

    try:
        owner = os.stat(folder.control).st_uid
    except OSError as error:
        raise UserError(f"run {folder.name} takes no commands: {error.strerror}") from error
    if owner != os.geteuid():
        raise UserError(f"run {folder.name} is another user's: look at it without --control")
