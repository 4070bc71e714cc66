"""`icot-tui runs plot`."""

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from typer import Option

from icot_tui.cli.console import console
from icot_tui.cli.options import Ascii, Runs, SeveralRuns, examples
from icot_tui.cli.plots.look import Quantity, look_here, print_plot
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.tui.run.view import ENDED, Axis

if TYPE_CHECKING:
    from rich.text import Text

    from icot_tui.watch.source import RunFollower

app = typer.Typer()

REDRAW_SECONDS = 1.0
LEAST_ROWS = 12
"""Of a plot."""
OVERVIEW_ROWS = 14
"""Of each plot that `runs show` prints."""


@app.command(
    epilog=examples(
        "icot-tui runs plot demo demo-no-cot --log --smooth",
        "icot-tui runs plot demo --y accuracy --x removed",
        "icot-tui runs plot demo --y loss --y accuracy",
    )
)
def plot(
    names: SeveralRuns,
    y: Annotated[
        list[str] | None,
        Option(
            metavar="QUANTITY",
            help=f"What is drawn: {', '.join(get_args(Quantity))} (default: loss). Several, with "
            "commas or repeated, are drawn one below the other.",
        ),
    ] = None,
    x: Annotated[Axis, Option(help="What it is drawn over; time is that of training.")] = "step",
    log: Annotated[bool, Option("--log", help="A logarithmic y axis.")] = False,
    smooth: Annotated[
        bool, Option("--smooth", help="Smooth losses and gradient norms; with --log, their logs.")
    ] = False,
    width: Annotated[int | None, Option(min=40, help="Columns (default: the terminal's).")] = None,
    height: Annotated[
        int | None, Option(min=LEAST_ROWS, help="Rows of each plot (default: the terminal's).")
    ] = None,
    ascii_only: Ascii = False,
    watch: Annotated[bool, Option("--watch", help="Redraw until all runs have ended.")] = False,
    runs: Runs = None,
) -> None:
    """Draw runs in the terminal, one over the other.

    Removals, resets of the optimizer, spikes and the like are marked on the x axis, in a row for
    each run. Without a terminal a plot has 80 columns, 22 rows, and no colours.
    """
    from icot_tui.cli.plots.run_plot import draw_runs
    from icot_tui.watch.source import RunFollower

    if watch and not sys.stdout.isatty():
        raise UserError("--watch redraws the terminal, and there is none: leave it out")
    quantities = _quantities(y or ["loss"])
    followers = [RunFollower(RunFolder.find(runs or runs_folder(), name)) for name in names]
    catch_up(followers)

    def draw() -> "Text":
        look = look_here(width, height, log=log, ascii=ascii_only)
        if height is None and len(quantities) > 1 and sys.stdout.isatty():
            look = replace(look, height=max(LEAST_ROWS, look.height // len(quantities)))
        return draw_runs(followers, quantities, x, look, smooth)

    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _redraw(followers, draw)
    else:
        print_plot(draw())


def _quantities(given: Sequence[str]) -> list[Quantity]:
    """The quantities that are named, each once; an error names those there are."""
    known = {name: name for name in get_args(Quantity)}
    named = dict.fromkeys(name for text in given for name in text.split(","))
    for name in named.keys() - known.keys():
        choices = ", ".join(f"'{one}'" for one in known)
        raise typer.BadParameter(f"'{name}' is not one of {choices}", param_hint="'--y'")
    return [known[name] for name in named]


def print_overview(folder: RunFolder) -> None:
    """Loss and accuracy of a run, as far as it has them."""
    from icot_tui.cli.plots.run_plot import draw_runs
    from icot_tui.watch.source import RunFollower

    follower = RunFollower(folder)
    catch_up([follower])
    quantities: tuple[tuple[Quantity, bool], ...] = (("loss", True), ("accuracy", False))
    for quantity, log in quantities:
        look = look_here(height=OVERVIEW_ROWS, log=log)
        with contextlib.suppress(UserError):  # it has none yet
            print_plot(draw_runs([follower], [quantity], "step", look))


def catch_up(followers: "Sequence[RunFollower]") -> None:
    """Read all that there is of these runs."""
    for follower in followers:
        follower.poll()
        while not follower.caught_up:
            follower.poll()


def _redraw(followers: "Sequence[RunFollower]", draw: "Callable[[], Text]") -> None:
    """Draw again whenever there is news, until no run goes on."""
    from rich.live import Live

    with Live(draw(), console=console(), auto_refresh=False) as live:
        while any(follower.status(time.time()) not in ENDED for follower in followers):
            time.sleep(REDRAW_SECONDS)
            if any([follower.poll() for follower in followers]):
                live.update(draw(), refresh=True)
