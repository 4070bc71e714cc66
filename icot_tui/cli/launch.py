"""`icot-tui launch`: train a run with the live screen around it."""

import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icot_tui.cli.train import Runs, train
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from icot_tui.cli.app_runner import Look
    from icot_tui.engine.run_folder import RunFolder
    from icot_tui.tui.session.parent_process import ParentProcess

app = typer.Typer()

EXAMPLES = """
Examples:

  icot-tui launch

  icot-tui launch sample_configs/mult-4x4-gpt2.toml --set train.learning_rate=1e-4 --name fast

  icot-tui launch --resume demo-2
"""

Theme = Annotated[
    str | None, typer.Option(help="Theme's name (default: your settings, or $ICOT_TUI_THEME).")
]
Ascii = Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")]
LowBandwidth = Annotated[
    bool, typer.Option("--low-bandwidth", help="For slow links: at most two redraws a second.")
]


@app.command(epilog=EXAMPLES)
def launch(
    config: Annotated[
        str | None, typer.Argument(help="A TOML file, or a sample's name (default: demo).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a value; may be repeated."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder.")] = None,
    runs: Runs = None,
    theme: Theme = None,
    ascii_only: Ascii = False,
    low_bandwidth: LowBandwidth = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run instead.")
    ] = None,
) -> int:
    """Train with the live screen: without a config, the CPU demo.

    A dropped link stops nothing: training goes on without the screen, and icot-tui attach shows it.

    Exit status: 0 finished, stopped and saved, or left in the background; 1 the work failed; 2 bad
    input.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UserError(
            "the screen is for one process; several are started with 'accelerate launch -m "
            "icot_tui train CONFIG', and 'icot-tui attach' shows them"
        )
    if resume is not None and (config is not None or overrides or name is not None):
        raise UserError("--resume goes on with a run as it is: leave out CONFIG, --set and --name")

    from icot_tui.tui.session import parent_process, terminal

    if not terminal.is_usable():
        print("no terminal to draw on: training without the screen", file=sys.stderr)
        return _train_without_screen(config, overrides, name, runs, resume)
    split = parent_process.split()
    if isinstance(split, int):
        return split

    gc.disable()  # what is imported for the first frame is no garbage; the screen enables it again
    from icot_tui.cli.app_runner import Look

    changes = list(overrides or ())
    if name is not None:
        changes.append(f"name={json.dumps(name)}")
    look = Look(theme, ascii_only, low_bandwidth)
    return _train_with_screen(config or "demo", changes, runs, resume, look, split)


def _train_without_screen(
    config: str | None,
    overrides: list[str] | None,
    name: str | None,
    runs: Path | None,
    resume: str | None,
) -> int:
    if resume is None:
        return train(config or "demo", overrides, runs, name)
    from icot_tui.cli.resume import resume as go_on

    return go_on(resume, runs)


def _train_with_screen(
    config: str,
    changes: list[str],
    runs: Path | None,
    resume: str | None,
    look: "Look",
    guardian: "ParentProcess",
) -> int:
    from icot_tui.cli import app_runner
    from icot_tui.config.loading import load_config
    from icot_tui.engine.run_folder import RunFolder, runs_folder

    runs = runs or runs_folder()
    folder = None if resume is None else RunFolder.find(runs, resume)
    if folder is not None and _is_finished(folder):
        print(f"run {folder.name} is finished; to look at it: icot-tui attach {folder.path}")
        return 0
    loaded = load_config(config, changes).config if folder is None else None

    app_runner.prepare(look)
    from icot_tui.tui.session.run_app import run_with_screen
    from icot_tui.tui.session.training_thread import TrainingThread

    engine = TrainingThread(loaded, folder, runs)
    is_demo = folder is None and config == "demo"
    left = run_with_screen(
        lambda _: app_runner.launch_app(engine, runs, look, welcome=is_demo), engine, guardian
    )
    from icot_tui.cli.after_screen import wait_for_training

    status = wait_for_training(engine, left)
    if left.failure is not None and left.way == "crashed" and status == 0:
        print(f"the screen failed, the training did not (see {engine.folder.log})")
    return status


def _is_finished(folder: "RunFolder") -> bool:
    from icot_tui.engine.journal.journal import JournalReader
    from icot_tui.engine.journal.summary import RunSummary

    ended = RunSummary.of(JournalReader(folder.journal).events()).ended
    return ended is not None and ended.finished
