"""`icot-tui play`: ask checkpoints on a screen, and look at what their hidden positions hold."""

from pathlib import Path
from typing import Annotated

import typer

from icot_tui.cli.launch import Ascii, LowBandwidth, Theme
from icot_tui.cli.train import Runs
from icot_tui.errors import UserError

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  icot-tui play

  icot-tui play demo demo-no-cot --ask "12*34"

  icot-tui play demo@0 demo@2 demo@best
"""


@app.command(epilog=EXAMPLES)
def play(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN_OR_CHECKPOINT...",
            help="Runs with all their checkpoints, or single ones (default: the latest run).",
        ),
    ] = None,
    ask: Annotated[str, typer.Option(metavar="QUESTION", help="Ask this at once.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    runs: Runs = None,
    theme: Theme = None,
    ascii_only: Ascii = False,
    low_bandwidth: LowBandwidth = False,
) -> int:
    """Ask checkpoints anything, side by side, and look inside.

    Without a terminal, 'icot-tui ask' and 'icot-tui probe' do the same.
    """
    from icot_tui.engine.run_folder import runs_folder
    from icot_tui.tui.session import terminal

    folder = runs or runs_folder()
    chosen = _known(names or [], folder)
    if not terminal.is_usable():
        raise UserError("there is no terminal to draw on: 'icot-tui ask' asks without one")
    from icot_tui.cli import app_runner

    look = app_runner.Look(theme, ascii_only, low_bandwidth)
    app_runner.prepare(look)
    from icot_tui.cli.device import pick_device
    from icot_tui.tui.session.run_app import run_with_screen

    left = run_with_screen(
        lambda _: app_runner.play_app(folder, chosen, look, lambda: pick_device(device), ask), None
    )
    if left.failure is not None:
        raise left.failure
    return 143 if left.way == "terminated" else 0


def _known(names: list[str], runs: Path) -> list[str]:
    """The names, if there is something of each; the latest run's where there are none.

    Raises:
        UserError: there is nothing of that name.
    """
    from icot_tui.engine.run_folder import RunFolder

    if not names:
        return [str(RunFolder.find(runs, None).path)]
    for name in names:
        fronts = {name, name.rpartition("@")[0]} - {""}
        if not any((runs / f).is_dir() or Path(f).expanduser().is_dir() for f in fronts):
            known = ", ".join(run.name for run in RunFolder.all(runs)[:5])
            there = f"runs in {runs}: {known}" if known else f"no run in {runs}"
            raise UserError(f"there is no checkpoint folder and no run '{name}' ({there})")
    return names
