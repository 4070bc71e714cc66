"""Puts a trainer together for a training."""

import json
from collections.abc import Callable

import numpy as np
from accelerate import Accelerator

from icot_tui.config import RunConfig, without_folders
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.removal import TokenFormat
from icot_tui.data.encoded import DataOrder, EncodedSplit
from icot_tui.data.load import Data
from icot_tui.engine.checkpoints.description import (
    CheckpointDescription,
    Layout,
    TokenizerFacts,
    digit_order,
    vocabulary_digest,
)
from icot_tui.engine.checkpoints.store import Store
from icot_tui.engine.evaluation.validation import (
    Score,
    Validation,
    emulation_score,
    exact_match_score,
    exact_match_then_loss,
)
from icot_tui.engine.journal.events import Event
from icot_tui.engine.loop.control import Control
from icot_tui.engine.loop.spikes import SpikeDetector
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.training import Training
from icot_tui.engine.loop.update import Padding, SkippingAdamW, Update
from icot_tui.engine.processes import Processes
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError


def build_trainer(
    training: Training,
    data: Data,
    folder: RunFolder,
    accelerator: Accelerator,
    control: Control,
    emit: Callable[[Event], None],
) -> Trainer:
    """A trainer at the beginning of a training.

    Args:
        training: what it trains.
        data: tokenizer and held-out examples.
        folder: the run's.
        accelerator: device, precision, processes.
        control: receives commands.
        emit: writes an event to the journal.

    Raises:
        UserError: the batch doesn't fit the data or the processes.
    """
    config, curriculum = training.config, training.config.curriculum
    processes = Processes(accelerator)
    order = data_order(config, training.train)
    if config.train.batch_size < processes.count:
        raise UserError("train.batch_size is smaller than the number of processes")
    objective = training.objective
    parameters = [p for p in objective.parameters() if p.requires_grad]
    optimizer = SkippingAdamW(parameters, config.train)
    if config.train.compile:
        objective.compile()
    prepared, _ = accelerator.prepare(objective, optimizer)
    bare = accelerator.unwrap_model(prepared)
    store = Store(
        folder=folder.checkpoints,
        config=config.checkpoints,
        accelerator=accelerator,
        weights=training.saved(bare),
        optimizer=optimizer,
        tokenizer=data.tokenizer,
        description=describe(training, data),
        emit=emit,
        saves_before_removal=config.checkpoints.before_removal
        or config.spikes.policy == "rollback",
        phase=training.phase.label,
    )
    multiple = config.train.pad_to_multiple
    if multiple is None:
        multiple = 16 if config.train.compile or accelerator.device.type == "cuda" else 1
    update = Update(
        objective=prepared,
        optimizer=optimizer,
        accelerator=accelerator,
        config=config.train,
        padding=Padding(multiple, training.positions, data.separator_id),
        feed=training.feed,
        per_row=training.per_row,
    )
    token_format = TokenFormat(data.tokenizer, data.separator_id, training.plan)
    validation = Validation(
        model=training.evaluated_model(bare),
        split=data.validation,
        token_format=token_format,
        config=config.evaluation,
        processes=processes,
        folder=folder,
        emit=emit,
    )
    score: Score = exact_match_then_loss if training.phase.name else exact_match_score
    if training.emulation_errors is not None:
        score = emulation_score(training.emulation_errors, emit)
    return Trainer(
        config=config,
        split=training.train,
        order=order,
        token_format=token_format,
        smoothing=training.smoothing,
        curriculum=Curriculum(
            training.schedule,
            training.train.max_cot_tokens,
            curriculum.gate_window,
            curriculum.reset_optimizer,
        ),
        update=update,
        spikes=SpikeDetector(config.spikes),
        store=store,
        validation=validation,
        score=score,
        control=control,
        emit=emit,
    )


def describe(training: Training, data: Data) -> CheckpointDescription:
    """What checkpoints of a training say of themselves, as of its step 0."""
    plan, tokenizer = training.plan, data.tokenizer
    config = without_folders(training.config).model_dump_json()
    lengths = data.validation.cot_lengths
    return CheckpointDescription(
        config=json.loads(config),
        phase=training.phase.label,
        step=0,
        stage=0,
        greatest_stage=training.train.max_cot_tokens,
        typical_cot_tokens=int(np.median(lengths)) if len(lengths) else 0,
        removal_order=None if plan.order is None else plan.order.tolist(),
        layout=Layout(
            separator=str(tokenizer.eos_token),
            separator_id=data.separator_id,
            answer_only=plan.answer_only,
            digits=None if data.task is None else digit_order(data.task),
        ),
        tokenizer=TokenizerFacts(
            kind=type(tokenizer).__name__,
            tokens=len(tokenizer),
            sha256=vocabulary_digest(tokenizer),
        ),
        data_fingerprint=data.fingerprint,
    )


def data_order(config: RunConfig, train: EncodedSplit) -> DataOrder:
    """The order in which a training reads its examples.

    Raises:
        UserError: there are too few for a batch.
    """
    order = DataOrder(len(train), config.train.batch_size, config.seed)
    if order.steps_per_epoch == 0:
        raise UserError(
            f"there are only {len(train)} training examples for a batch of "
            f"{config.train.batch_size}: lower train.batch_size"
        )
    return order
