"""Puts a run together from its folder, and trains it: the one entry for every front end."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState

import icot_tui
from icot_tui.config import RunConfig
from icot_tui.config.loading import dump_toml, load_config
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.curriculum.smoothing import Smoothing
from icot_tui.data.load import Data, load_data
from icot_tui.data.order import DataOrder
from icot_tui.data.tokenizing import decode
from icot_tui.engine.checkpoint import CheckpointPath, newest_verified
from icot_tui.engine.commands import CommandQueue
from icot_tui.engine.control import Control
from icot_tui.engine.events import (
    CheckpointSaved,
    Event,
    ExampleShown,
    RunEnded,
    RunResumed,
    RunStarted,
    Warned,
)
from icot_tui.engine.journal import Journal, JournalReader
from icot_tui.engine.optimizer import SkippingAdamW
from icot_tui.engine.processes import Processes
from icot_tui.engine.run_folder import RunFolder
from icot_tui.engine.spikes import SpikeDetector
from icot_tui.engine.store import Store
from icot_tui.engine.trackers import Trackers
from icot_tui.engine.trainer import Trainer
from icot_tui.engine.update import Padding, Update
from icot_tui.engine.validation import Validation
from icot_tui.errors import UserError
from icot_tui.methods import METHODS
from icot_tui.models.build import build_model


def create_run(config: RunConfig, runs: Path) -> RunFolder:
    """A new run folder for a config; nothing is trained yet."""
    return RunFolder.create(runs, config.name, dump_toml(config))


def shared_folder(create: Callable[[], RunFolder]) -> RunFolder:
    """Under a distributed launcher: the main process creates the folder, the others learn of it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return create()
    processes = Processes(Accelerator(cpu=not torch.cuda.is_available()))
    folder = create() if processes.is_main else None
    path = processes.share(None if folder is None else folder.path)
    assert path is not None
    return folder or RunFolder(path)


def run_training(
    folder: RunFolder, commands: CommandQueue, listen: Callable[[Event], None] | None = None
) -> RunEnded:
    """Train a run to its end; go on from its newest whole checkpoint if it has one.

    Args:
        folder: an existing run folder.
        commands: wishes of this process and of the folder's mailbox.
        listen: called with each event after it was journaled, on the training thread.

    Raises:
        UserError: the folder is in use, or what the config names can't be had.
    """
    config = load_config(folder.config).config
    transformers.utils.logging.disable_progress_bar()
    accelerator = build_accelerator(config)
    processes = Processes(accelerator)
    if processes.is_main:
        folder.lock()
    journal: Journal | None = None
    trackers: Trackers | None = None
    try:
        data = load_data(config.data)
        journal = Journal(folder.journal) if processes.is_main else None
        trackers = Trackers(config, accelerator, folder.path)

        def emit(event: Event) -> None:
            if journal is None:
                return
            journal.write(event)
            trackers.write(event)
            if listen is not None:
                listen(event)

        trainer = assemble(config, data, folder, accelerator, commands, journal, emit)
        _begin(trainer, data, processes, folder.journal)
        if config.train.compile:
            trainer.rehearse()
        return trainer.run()
    finally:
        if trackers is not None:
            trackers.close()
        if journal is not None:
            journal.sync()
            journal.close()
        if processes.is_main:
            folder.unlock()


def build_accelerator(config: RunConfig) -> Accelerator:
    """Device, precision and processes as the config and the launcher say.

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
        log_with=list(config.trackers.names) or None,
        project_dir=None,
        step_scheduler_with_optimizer=False,
    )


def assemble(
    config: RunConfig,
    data: Data,
    folder: RunFolder,
    accelerator: Accelerator,
    commands: CommandQueue,
    journal: Journal | None,
    emit: Callable[[Event], None],
) -> Trainer:
    """A trainer for a fresh run.

    Raises:
        UserError: model and data don't fit each other.
    """
    method = METHODS[config.method.name]
    processes = Processes(accelerator)
    train, curriculum = data.train, config.curriculum
    order = DataOrder(len(train), config.train.batch_size, config.seed)
    if order.steps_per_epoch == 0:
        raise UserError(
            f"there are only {len(train)} training examples for a batch of "
            f"{config.train.batch_size}: lower train.batch_size"
        )
    if config.train.batch_size < processes.count:
        raise UserError("train.batch_size is smaller than the number of processes")
    plan = RemovalPlan.seeded(
        curriculum.side, curriculum.keep_positions, train.max_cot_tokens, config.seed
    )
    positions = max(train.max_length, data.validation.max_length)
    if config.data.max_length is not None:
        positions = max(min(train.max_length, config.data.max_length), data.validation.max_length)
    lm = build_model(config.model, len(data.tokenizer), data.separator_id, positions, config.seed)
    objective = method.objective(lm)
    parameters = [p for p in objective.parameters() if p.requires_grad]
    optimizer = SkippingAdamW(parameters, config.train)
    if config.train.compile:
        objective.compile()
    prepared, _ = accelerator.prepare(objective, optimizer)
    bare = accelerator.unwrap_model(prepared)
    store = Store(
        folder.checkpoints,
        config.checkpoints,
        accelerator,
        bare.lm,
        optimizer,
        data.tokenizer,
        emit,
        config.checkpoints.before_removal or config.spikes.policy == "rollback",
    )
    multiple = config.train.pad_to_multiple
    if multiple is None:
        multiple = 16 if config.train.compile or accelerator.device.type == "cuda" else 1
    update = Update(
        prepared,
        optimizer,
        accelerator,
        config.train.micro_batch_size,
        Padding(multiple, positions),
        config.train.clip_norm,
        data.separator_id,
    )
    validation = Validation(
        bare,
        data.validation,
        plan,
        data.tokenizer,
        data.separator_id,
        config.evaluation,
        accelerator.device,
        processes,
        accelerator.distributed_type == "FSDP",
        folder,
        emit,
    )
    return Trainer(
        config=config,
        split=train,
        order=order,
        plan=plan,
        smoothing=Smoothing(method.smoothing(curriculum), config.seed),
        curriculum=Curriculum(
            method.schedule(curriculum, order.steps_per_epoch),
            train.max_cot_tokens,
            curriculum.gate_window,
            curriculum.reset_optimizer,
        ),
        update=update,
        spikes=SpikeDetector(config.spikes),
        store=store,
        validation=validation,
        control=Control(commands, journal, processes, config.spikes, config.train.observe_every),
        emit=emit,
        separator_id=data.separator_id,
    )


def _is_journaled(journal: Path, checkpoint: CheckpointPath) -> bool:
    lines = JournalReader(journal).lines()
    return any(
        line["event"] == "CheckpointSaved" and line["path"] == checkpoint.name for line in lines
    )


def _begin(trainer: Trainer, data: Data, processes: Processes, journal: Path) -> None:
    """Start afresh, or go on from the newest whole checkpoint."""
    emit, config = trainer.emit, trainer.config
    folder = trainer.store.folder
    found = newest_verified(folder) if processes.is_main else None
    found = processes.share(found)
    assert found is not None
    checkpoint, complaints = found
    if checkpoint is None:
        emit(
            RunStarted(
                0,
                config.name,
                METHODS[config.method.name].title,
                icot_tui.__version__,
                str(trainer.update.device),
                processes.count,
                sum(p.numel() for p in trainer.update.objective.parameters()),
                len(data.train),
                len(data.validation),
                trainer.order.steps_per_epoch,
                data.train.max_cot_tokens,
            )
        )
        emit(_example_shown(data, trainer.plan))
        for warning in data.warnings:
            emit(Warned(0, warning))
    else:
        trainer.resume(checkpoint)
        if not _is_journaled(journal, checkpoint):  # a kill came between the two
            emit(CheckpointSaved(checkpoint.step, checkpoint.name, checkpoint.stage, 0, 0.0))
        emit(RunResumed(checkpoint.step, checkpoint.name))
    for complaint in complaints:
        emit(Warned(trainer.state.step, complaint))


def _example_shown(data: Data, plan: RemovalPlan) -> ExampleShown:
    """The first held-out example; its closing separators are left out."""
    split = data.validation
    texts = [decode(data.tokenizer, [token]) for token in split.example(0)]
    prompt, cot = int(split.prompt_lengths[0]), int(split.cot_lengths[0])
    return ExampleShown(
        0,
        texts[: prompt - 1],
        texts[prompt : prompt + cot],
        texts[prompt + cot + 1 : -1],
        plan.removal_order(cot),
    )
