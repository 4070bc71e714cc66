"""`icot-tui train`: start a new run and train it."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from icot_tui.config import RunConfig
    from icot_tui.engine.run_folder import RunFolder

app = typer.Typer()

EXAMPLES = """
Examples:

  icot-tui train

  icot-tui train sample_configs/mult-4x4-gpt2.toml --set train.learning_rate=1e-4 --name fast

  accelerate launch -m icot_tui train mult-9x9-gpt2
"""

Runs = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder of the runs (default: $ICOT_TUI_RUNS, or runs)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the journal's lines, one JSON each.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only where the run is and how it ends.")
]


@app.command(epilog=EXAMPLES)
def train(
    config: Annotated[str, typer.Argument(help="A TOML file, or a sample's name.")] = "demo",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a value; may be repeated."),
    ] = None,
    runs: Runs = None,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder.")] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Go on with an earlier run of this very training, if any."),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Train a model: a config file, or a sample's name.

    Ctrl-C (or SIGTERM) saves and stops; twice, it stops at once. A dropped link stops nothing:
    what would have been printed goes to log.txt in the run folder.

    Exit status: 0 finished, or stopped and saved; 1 the work failed; 2 bad input.
    """
    from icot_tui.cli.headless import drive, report_once
    from icot_tui.cli.resume import go_on
    from icot_tui.config.loading import load_config
    from icot_tui.engine.run_folder import runs_folder

    changes = list(overrides or ())
    if name is not None:
        changes.append(f"name={json.dumps(name)}")
    with report_once():
        loaded = load_config(config, changes).config
        folder = _folder(loaded, runs or runs_folder(), once)
        if folder.journal.exists():
            return go_on(folder, as_json, quiet)
        return drive(folder, loaded, as_json, quiet, is_new=True)


def _folder(config: "RunConfig", runs: Path, once: bool) -> "RunFolder":
    """The run's folder; with several processes the first one makes it, and all agree on it."""
    from icot_tui.config.loading import dump_toml
    from icot_tui.engine.run_folder import RunFolder

    def create() -> RunFolder:
        earlier = _earlier(config, runs) if once else None
        return earlier or RunFolder.create(runs, config.name, dump_toml(config))

    if os.environ.get("WORLD_SIZE", "1") == "1":
        return create()  # without torch, so that the first line is there at once
    from icot_tui.engine.session import shared_folder

    return shared_folder(create)


def _earlier(config: "RunConfig", runs: Path) -> "RunFolder | None":
    """A run of the same training, its name aside: a finished one, or else the furthest."""
    from icot_tui.studies.existing_runs import RunIndex, look_for
    from icot_tui.studies.plan import digest_of

    found = look_for(RunIndex(runs), digest_of(config))
    return found.finished or found.at_work or found.unfinished
