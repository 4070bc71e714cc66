"""`icot-tui resume`: continue a run where it stopped."""

from typing import Annotated

import typer
from typer import Option

from icot_tui.cli.options import JournalJson, Quiet, Run, Runs, examples
from icot_tui.engine.run_folder import RunFolder, runs_folder

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui resume", "icot-tui resume demo-2", "icot-tui resume /data/runs/mult-9x9"
)


@app.command(epilog=EXAMPLES)
def resume(
    run: Run = None,
    runs: Runs = None,
    as_json: JournalJson = False,
    quiet: Quiet = False,
    exact: Annotated[
        bool,
        Option("--exact", help="Refuse if config or data were changed since the checkpoint."),
    ] = False,
) -> int:
    """Continue a run exactly where it stopped.

    It continues from its newest intact checkpoint; without one, it starts over in the same folder.
    With a changed config or other data it goes on too, and says what is different.
    """
    from icot_tui.cli.headless import report_once, resume_run

    with report_once():
        folder = RunFolder.find(runs or runs_folder(), run)
        return resume_run(folder, as_json=as_json, quiet=quiet, exact=exact)
