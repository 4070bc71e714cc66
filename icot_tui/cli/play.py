"""`icot-tui play`: ask checkpoints on a screen, and look inside them."""

from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.options import (
    Ascii,
    Device,
    KeepPositions,
    LowBandwidth,
    Runs,
    Side,
    Theme,
    examples,
)
from icot_tui.engine.run_folder import runs_folder
from icot_tui.errors import UserError
from icot_tui.models.device import pick_device

if TYPE_CHECKING:
    from icot_tui.tui.play.app import PlayApp

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui play",
    'icot-tui play demo demo-no-cot --ask "12*34"',
    "icot-tui play demo@0 demo@2 demo@best",
)


@app.command(epilog=EXAMPLES)
def play(
    names: Annotated[
        list[str] | None,
        Argument(
            metavar="RUN_OR_CHECKPOINT...",
            help="Runs with all their checkpoints, or single ones (default: the latest run).",
        ),
    ] = None,
    ask: Annotated[str, Option(metavar="QUESTION", help="A first question.")] = "",
    side: Side = None,
    keep_positions: KeepPositions = None,
    device: Device = "auto",
    runs: Runs = None,
    theme: Theme = None,
    ascii_only: Ascii = False,
    low_bandwidth: LowBandwidth = False,
) -> int:
    """Ask checkpoints anything, side by side, and look inside.

    Without a terminal, 'icot-tui ask' and 'icot-tui probe' do the same.
    """
    from icot_tui.analysis.checkpoints import find_sources
    from icot_tui.tui.session import terminal

    folder = runs or runs_folder()
    find_sources(names or [], folder)  # what is not there is bad input, and needs no screen
    if not terminal.is_usable():
        raise UserError("there is no terminal to draw on: 'icot-tui ask' asks without one")
    from icot_tui.cli.screen import screen_options, show

    options = screen_options(folder, theme=theme, ascii=ascii_only, low_bandwidth=low_bandwidth)

    def build_app() -> "PlayApp":
        from icot_tui.engine.checkpoints.opened import GivenRemoval
        from icot_tui.tui.app.user_state import UserState
        from icot_tui.tui.play.app import PlayApp

        given = GivenRemoval(side, keep_positions)
        state = UserState.load()
        return PlayApp(options, names or [], state, lambda: pick_device(device), ask, given)

    return show(build_app)
