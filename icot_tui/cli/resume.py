"""`icot-tui resume`: go on with a run where it stopped."""

from typing import TYPE_CHECKING, Annotated

import typer

from icot_tui.cli.train import AsJson, Quiet, Runs

if TYPE_CHECKING:
    from icot_tui.engine.run_folder import RunFolder

app = typer.Typer()

EXAMPLES = """
Examples:

  icot-tui resume

  icot-tui resume demo-2

  icot-tui resume /data/runs/mult-9x9
"""


@app.command(epilog=EXAMPLES)
def resume(
    run: Annotated[
        str | None, typer.Argument(help="A run's name or folder (default: the latest).")
    ] = None,
    runs: Runs = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Go on with a run exactly where it stopped.

    It goes on from its newest whole checkpoint; without one, it starts anew in the same folder.
    """
    from icot_tui.cli.headless import report_once
    from icot_tui.engine.run_folder import RunFolder, runs_folder

    with report_once():
        return go_on(RunFolder.find(runs or runs_folder(), run), as_json, quiet)


def go_on(folder: "RunFolder", as_json: bool, quiet: bool) -> int:
    """Train on where a run stopped; of a finished one, say how it ended. Returns the exit status.

    Raises:
        UserError: another trainer is at work in it, or the training failed.
    """
    from icot_tui.cli.console import print_json
    from icot_tui.cli.headless import drive, is_main_process
    from icot_tui.config.loading import load_config
    from icot_tui.engine.journal.journal import JournalReader
    from icot_tui.engine.journal.summary import RunSummary
    from icot_tui.plain import plain

    config = load_config(folder.config).config
    ended = RunSummary.of(JournalReader(folder.journal).events()).ended
    if ended is not None and ended.finished:
        if is_main_process() and as_json:
            print_json(ended.as_json())
        elif is_main_process():
            print(f"run {folder.name} is finished: {plain(ended.reason)}")
        return 0
    return drive(folder, config, as_json, quiet, is_new=False)
