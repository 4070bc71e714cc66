"""`icot-tui launch`: train a run with the live screen around it."""

import gc
import os
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.options import (
    Ascii,
    LowBandwidth,
    Overrides,
    RunName,
    Runs,
    Theme,
    all_overrides,
    examples,
)
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.output import say

if TYPE_CHECKING:
    from icot_tui.config import RunConfig
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.settings import Options
    from icot_tui.tui.session.parent_process import ParentProcess
    from icot_tui.tui.session.training_thread import TrainingThread

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui launch",
    "icot-tui launch sample_configs/mult-4x4-gpt2.toml --set train.learning_rate=1e-4 --name fast",
    "icot-tui launch --resume demo-2",
)


@app.command(epilog=EXAMPLES)
def launch(
    config: Annotated[
        str | None, Argument(help="A TOML file, or the name of a sample (default: demo).")
    ] = None,
    overrides: Overrides = None,
    name: RunName = None,
    runs: Runs = None,
    theme: Theme = None,
    ascii_only: Ascii = False,
    low_bandwidth: LowBandwidth = False,
    resume: Annotated[
        str | None, Option("--resume", metavar="RUN", help="Resume this run instead.")
    ] = None,
) -> int:
    """Train with the live screen: without a config, the CPU demo.

    A dropped link stops nothing: training goes on without the screen, and icot-tui attach shows it.

    Exit status: 0 finished, stopped and saved, or left in the background; 1 the work failed; 2 bad
    input.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UserError(
            "the screen is for one process: start several with 'accelerate launch -m icot_tui "
            "train CONFIG' and watch them with 'icot-tui attach'"
        )
    if resume is not None and (config is not None or overrides or name is not None):
        raise UserError("--resume continues a run as it is: leave out CONFIG, --set and --name")

    from icot_tui.cli.screen import become
    from icot_tui.tui.session import parent_process, terminal

    if not terminal.is_usable():
        say("no terminal to draw on: training without the screen", error=True)
        if resume is not None:
            from icot_tui.cli.resume import resume as resume_command

            return resume_command(resume, runs)
        from icot_tui.cli.train import train

        return train(config or "demo", overrides, runs, name)
    forked = parent_process.fork()
    if isinstance(forked, parent_process.Ended):
        if forked.home:
            become(left=forked.child)
        return forked.status

    gc.disable()  # imports for the first frame leave no garbage; the screen enables it again
    from icot_tui.cli.screen import screen_options
    from icot_tui.config.loading import load_config

    options = screen_options(
        runs or runs_folder(),
        theme=theme,
        ascii=ascii_only,
        low_bandwidth=low_bandwidth,
        welcome=config in (None, "demo") and resume is None,
    )
    if resume is None:
        loaded = load_config(config or "demo", all_overrides(overrides, name))
        return _train(loaded.config, None, options, forked)
    from icot_tui.cli.headless import finished_end

    folder = RunFolder.find(options.runs, resume)
    if finished_end(folder) is not None:
        say(f"run {folder.name} is finished; to look at it: icot-tui attach {folder.path}")
        return 0
    return _train(None, folder, options, forked)


def _train(
    config: "RunConfig | None",
    folder: RunFolder | None,
    options: "Options",
    parent: "ParentProcess",
) -> int:
    """Train a new run, or resume one, with the screen. Returns the exit status."""
    from icot_tui.tui.session.run_app import run_with_screen
    from icot_tui.tui.session.training_thread import TrainingThread

    engine = TrainingThread(config, folder, options.runs)
    left = run_with_screen(lambda: build_app(engine, options), engine, parent)
    from icot_tui.cli.after_screen import wait_for_training

    if left.home and left.reason in ("close", "now"):
        parent.go_home()
    status = wait_for_training(engine, left)
    if left.home and left.reason == "save" and status == 0:  # else the reason is left in view
        parent.go_home()
    if left.error is not None and left.reason == "crashed" and status == 0:
        say(f"the screen crashed, but the training did not (see {engine.folder.log})")
    return status


def build_app(engine: "TrainingThread", options: "Options") -> "WorkbenchApp":
    """The workbench around a run that is trained in this process."""
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.tui.app.user_state import UserState

    return WorkbenchApp(engine, None, options, UserState.load())
