"""`icot-tui attach`: show a run or a study, live, dead or finished."""

import gc
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.console import console
from icot_tui.cli.options import Ascii, LowBandwidth, Runs, Theme, examples
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.output import say

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.settings import Options

app = typer.Typer()

USUAL_SIZE = "120x36"
"""Of a frame that does not go to a terminal."""

EXAMPLES = examples(
    "icot-tui attach",
    "icot-tui attach demo-2 --control",
    "icot-tui attach demo-2 --replay --speed 20",
    "icot-tui attach ablation",
    "icot-tui attach demo-2 --once --panel loss --size 80x20",
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
    once: Annotated[
        bool, Option("--once", help="Print one frame as text, and end; needs no terminal.")
    ] = False,
    panel: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="For --once: only this panel, such as loss, with all that it shows in this size.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        Option(metavar="COLUMNSxROWS", help="For --once (default: the terminal's, or 120x36)."),
    ] = None,
) -> int:
    """Show a run or a study from another terminal; read-only unless --control is given.

    Of a study, the running trials are overlaid in the charts; r lists all of them.
    """
    from icot_tui.tui.session import terminal

    if not 0 < speed < float("inf"):
        raise UserError(f"--speed must be a number above 0, such as 20, not {speed}")
    if once and (control or replay):
        raise UserError("--once is one frame of the present: leave out --control and --replay")
    if not once and (panel or size):
        raise UserError("--panel and --size are for --once")
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
    if once:
        gc.disable()  # as for the first frame of the screen
        try:
            _print_frame(shown, runs, panel, size, theme, ascii_only)
        finally:
            gc.enable()
        return 0
    if not terminal.is_usable():
        raise UserError(
            f"there is no terminal to draw on: {other}, and --once one frame of the screen"
        )
    gc.disable()  # imports for the first frame leave no garbage; the screen enables it again
    from icot_tui.cli.screen import screen_options, show

    options = screen_options(
        runs, theme=theme, ascii=ascii_only, low_bandwidth=low_bandwidth, control=control
    )
    apps: list[WorkbenchApp] = []

    def build_app() -> "WorkbenchApp":
        apps.append(_build_app(shown, options, speed if replay else None))
        return apps[0]

    status = show(build_app)
    if options.from_home:  # how to come back without the home screen
        last = apps[0].monitor.shown if isinstance(shown, RunFolder) else shown.name
        say("icot-tui attach", str(last), "--runs", str(runs))
    return status


def _print_frame(
    shown: "RunFolder | TrialList",
    runs: Path,
    panel: str | None,
    size: str | None,
    theme: str | None,
    ascii: bool,
) -> None:
    """One frame of the live screen, in colours if standard output is a terminal."""
    from icot_tui.cli.screen import screen_options
    from icot_tui.tui.actions.table import PANEL_IDS
    from icot_tui.tui.session.one_frame import draw_frame

    if panel is not None and panel not in PANEL_IDS:
        raise UserError(f"--panel must be one of {', '.join(PANEL_IDS)}, not '{panel}'")
    options = screen_options(runs, theme=theme, ascii=ascii, low_bandwidth=False)
    cells, screen = _cells(size, panel), console()
    app = _build_app(shown, options, None)
    app.no_color = app.no_color or screen.color_system is None  # nothing may depend on colours
    screen.print(draw_frame(app, cells, panel), soft_wrap=True)


def _cells(size: str | None, panel: str | None) -> tuple[int, int]:
    """(columns, rows) of a frame.

    Raises:
        UserError: it is no size, or one that the screen or the panel does not fit in.
    """
    from icot_tui.tui.frame.layout import LEAST_HEIGHT, LEAST_WIDTH, SMALLEST

    if size is None and sys.stdout.isatty():
        screen = shutil.get_terminal_size()
        columns, rows = screen.columns, screen.lines - 1
    else:
        found = re.fullmatch(r"(\d{1,3})x(\d{1,3})", size or USUAL_SIZE)
        if found is None:
            raise UserError(f"--size is columns x rows, such as {USUAL_SIZE}, not '{size}'")
        columns, rows = int(found[1]), int(found[2])
    least = SMALLEST if panel is None else (LEAST_WIDTH, LEAST_HEIGHT)
    if columns < least[0] or rows < least[1]:
        what = "the screen" if panel is None else "a panel"
        raise UserError(f"{what} needs {least[0]}x{least[1]} cells or more, not {columns}x{rows}")
    return columns, rows


def _build_app(
    shown: "RunFolder | TrialList", options: "Options", replay: float | None
) -> "WorkbenchApp":
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
    try:
        return RunFolder.find(runs, name)
    except UserError:
        from icot_tui.studies.trial_list import TrialList, find_study_folder  # runs do without

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
