"""Trains a run from its folder: the one entry for every front end."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import ProjectConfiguration

from icot_tui.config import RunConfig
from icot_tui.config.loading import load_config
from icot_tui.data.load import load_data
from icot_tui.engine.journal.events import Event, RunEnded
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.journal.trackers import Trackers
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.loop.control import Control
from icot_tui.engine.processes import Processes
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods import METHODS
from icot_tui.runs.run_executor import RunExecutor


def run_training(
    folder: RunFolder, commands: CommandQueue, listen: Callable[[Event], None] | None = None
) -> RunEnded:
    """Train a run to its end; go on from its newest whole checkpoint if it has one.

    Args:
        folder: an existing run folder.
        commands: those of this process and of the folder's mailbox.
        listen: called with each event after it was journaled, on the training thread.

    Raises:
        UserError: the folder is in use, or what the config names can't be had.
    """
    config = load_config(folder.config).config
    transformers.utils.logging.disable_progress_bar()
    if (run := METHODS[config.method.name].run) is not None:
        return run(folder, config, commands, build_accelerator(config).device, listen)
    accelerator = build_accelerator(config, folder.path)
    processes = Processes(accelerator)
    with ExitStack() as cleanup:
        if processes.is_main:
            folder.lock()
            cleanup.callback(folder.unlock)
        data = load_data(config.data)
        journal = Journal(folder.journal) if processes.is_main else None
        if journal is not None:
            cleanup.callback(journal.close)
            cleanup.callback(journal.sync)
        trackers = Trackers(config, accelerator)
        cleanup.callback(trackers.close)

        def emit(event: Event) -> None:
            if journal is None:
                return
            journal.write(event)
            trackers.write(event)
            if listen is not None:
                listen(event)

        control = Control(commands, journal, processes, config.spikes, config.train.observe_every)
        ended = RunExecutor(
            config=config,
            data=data,
            folder=folder,
            accelerator=accelerator,
            processes=processes,
            control=control,
            emit=emit,
        ).train()
        emit(ended)
        return ended


def build_accelerator(config: RunConfig, tracked: Path | None = None) -> Accelerator:
    """Device, precision and processes as the config and the launcher say.

    Args:
        config: the run's configuration.
        tracked: folder for the files of trackers; None: there are no trackers.

    Raises:
        UserError: the device isn't there.
    """
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device is 'cuda', but no CUDA device is there: use 'auto' or 'cpu'")
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise UserError("train.device is 'mps', but there is none: use 'auto' or 'cpu'")
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
    mixed = "bf16" if config.model.precision == "bfloat16-mixed" else "no"
    return Accelerator(
        cpu=wanted == "cpu",
        mixed_precision=mixed,
        log_with=(list(config.trackers.names) or None) if tracked else None,
        project_config=ProjectConfiguration(logging_dir=tracked and str(tracked)),
        step_scheduler_with_optimizer=False,
    )
