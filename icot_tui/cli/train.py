"""`icot-tui train`: start a new run and train it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from icot_tui.cli.options import (
    Config,
    JournalJson,
    Overrides,
    Quiet,
    RunName,
    Runs,
    all_overrides,
    examples,
)
from icot_tui.engine.run_folder import RunFolder, runs_folder

if TYPE_CHECKING:
    from icot_tui.config import RunConfig

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui train",
    "icot-tui train sample_configs/mult-4x4-gpt2.toml --set train.learning_rate=1e-4 --name fast",
    "accelerate launch -m icot_tui train mult-9x9-gpt2",
)


@app.command(epilog=EXAMPLES)
def train(
    config: Config = "demo",
    overrides: Overrides = None,
    runs: Runs = None,
    name: RunName = None,
    once: Annotated[
        bool, Option("--once", help="Resume an earlier run of the same config, if there is one.")
    ] = False,
    as_json: JournalJson = False,
    quiet: Quiet = False,
) -> int:
    """Train a model: a config file, or a sample's name.

    Ctrl-C (or SIGTERM) saves and stops; a second one stops at once. A dropped link stops nothing:
    the output then goes to log.txt in the run folder.

    Exit status: 0 finished, or stopped and saved; 1 the work failed; 2 bad input.
    """
    from icot_tui.cli.headless import report_once, resume_run, train_run
    from icot_tui.config.loading import load_config

    with report_once():
        loaded = load_config(config, all_overrides(overrides, name)).config
        folder = _folder(loaded, runs or runs_folder(), once)
        if folder.journal.exists():
            return resume_run(folder, as_json=as_json, quiet=quiet)
        return train_run(folder, loaded, as_json=as_json, quiet=quiet, is_new=True)


def _folder(config: "RunConfig", runs: Path, once: bool) -> RunFolder:
    """The run's folder; of several processes the first one makes it, and the others use it."""
    if os.environ.get("WORLD_SIZE", "1") == "1":  # without torch, so that the first line is printed
        return _find_or_create(config, runs, once)  # at once
    import torch
    from accelerate import Accelerator

    from icot_tui.engine.processes import Processes, refuse_other_libraries

    refuse_other_libraries()
    processes = Processes(Accelerator(cpu=not torch.cuda.is_available()))
    return processes.from_main(lambda: _find_or_create(config, runs, once))


def _find_or_create(config: "RunConfig", runs: Path, once: bool) -> RunFolder:
    """A new run; with `once` one of the same config, a finished one or else the furthest."""
    if once:
        from icot_tui.studies.existing_runs import RunIndex, find_existing_runs
        from icot_tui.studies.plan import digest_of

        earlier = find_existing_runs(RunIndex(runs), digest_of(config)).best
        if earlier is not None:
            return earlier
    from icot_tui.runs.new_run import create_run

    return create_run(config, runs)
