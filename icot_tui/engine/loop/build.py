"""Puts a trainer together for a training."""

import json
from collections.abc import Iterator

import numpy as np
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import nn

from icot_tui.config import RunConfig, TrainConfig, method_of, without_folders
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.mastery import ExampleStages
from icot_tui.curriculum.removal import TokenFormat, removed_tokens
from icot_tui.curriculum.schedule import Fixed, Mastery, clock_of, removals
from icot_tui.data.encoded import DataOrder, EncodedSplit
from icot_tui.data.tokenizing import separator_texts
from icot_tui.data.vocabulary import kept_tokens
from icot_tui.engine.checkpoints.description import (
    CheckpointDescription,
    Layout,
    TokenizerFacts,
    base_digest,
    digit_order,
    sample_ids,
    vocabulary_digest,
)
from icot_tui.engine.checkpoints.store import Store
from icot_tui.engine.checkpoints.weights import ModelWeights, Weights
from icot_tui.engine.evaluation.next_tokens import FEWEST, NextTokenProbe
from icot_tui.engine.evaluation.validation import Validation
from icot_tui.engine.journal.forecast import limits
from icot_tui.engine.loop.optimizers import build_optimizer
from icot_tui.engine.loop.row_losses import RowLosses
from icot_tui.engine.loop.spikes import SpikeDetector
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.training import RunContext, Training
from icot_tui.engine.loop.update import Padding, Update
from icot_tui.errors import UserError
from icot_tui.models.behaviour import without_gradient
from icot_tui.models.supervised import check_balance

LONG, OUTLIER = 1024, 20
"""Tokens of a row, and how many times those of half of all rows, above which its length is told."""
SPARED = 256
"""Tokens of padding that make up for one more forward and backward pass of a small model on a CPU
(benchmarks/RESULTS.md)."""


def build_trainer(training: Training, context: RunContext) -> Trainer:
    """A trainer at the beginning of a training; a `UserError` if batch size or loss don't fit."""
    config, train = training.config, training.config.train
    data, accelerator, control = context.data, context.accelerator, context.control
    order = data_order(config, training.train)
    if train.batch_size < control.processes.count:
        raise UserError("train.batch_size is smaller than the number of processes")
    method = method_of(config)
    if control.processes.model_is_sharded and not method.shardable:
        raise UserError(
            f"{method.title} needs the whole model in each process: train it without FSDP"
        )
    objective = training.objective
    check_balance(objective)
    if training.reads_rows and not getattr(objective, "by_row", False):
        raise UserError(
            f"{config.method.name} gives no losses of single rows: take another "
            "curriculum.schedule than 'mastery', and leave curriculum.gate_rows at 'all'"
        )
    optimizer = build_optimizer(objective, train, sharded=control.processes.model_is_sharded)
    if train.compile:
        objective.compile()
    if control.processes.count > 1 and not control.processes.model_is_sharded:
        # DDP waits for the gradient of every weight, unless it looks at each step which have any.
        unused = bool(without_gradient(objective))
        accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=unused)
    prepared, _ = accelerator.prepare(objective, optimizer)
    bare = accelerator.unwrap_model(prepared)
    weights = training.saved(bare)
    store = Store(
        folder=context.folder.checkpoints,
        config=config.checkpoints,
        accelerator=accelerator,
        weights=weights,
        optimizer=optimizer,
        tokenizer=data.tokenizer,
        description=describe(training, context, weights),
        emit=context.emit,
        saves_before_removal=config.checkpoints.before_removal
        or config.spikes.policy == "rollback",
        phase=training.phase.label,
    )
    spared = _spared(train, accelerator, training.objective)
    multiple = train.pad_to_multiple
    if multiple is None:
        multiple = 16 if train.compile or accelerator.device.type == "cuda" else 1
    update = Update(
        objective=prepared,
        optimizer=optimizer,
        accelerator=accelerator,
        config=train,
        padding=Padding(multiple, training.positions, data.separator_id, spared),
        feed=training.feed,
        per_row=training.per_row,
    )
    token_format = TokenFormat(data.tokenizer, data.separator_id, training.plan)
    validation = Validation(
        model=training.evaluated_model(bare),
        split=data.validation,
        token_format=token_format,
        config=config.evaluation,
        processes=control.processes,
        folder=context.folder,
        emit=context.emit,
    )
    greatest, options = training.plan.greatest_stage(training.train), config.curriculum
    examples, row_losses, clock = None, None, clock_of(training.schedule)
    if isinstance(clock, Mastery):
        lengths = training.plan.greatest_stages(training.train)
        examples = ExampleStages(lengths, clock, greatest)
        per_token = options.gate_per == "token"
        row_losses = RowLosses(options.gate_loss, per_token, control.processes.gather)
    curriculum = Curriculum(
        training.schedule, greatest, options.gate_window, options.reset_optimizer, examples
    )
    return Trainer(
        training=training,
        order=order,
        token_format=token_format,
        curriculum=curriculum,
        update=update,
        spikes=SpikeDetector(config.spikes),
        store=store,
        validation=validation,
        control=control,
        emit=context.emit,
        next_tokens=_next_tokens(training, validation),
        row_losses=row_losses,
    )


def _next_tokens(training: Training, validation: Validation) -> NextTokenProbe | None:
    """What reads the next tokens to go before they are written, in the first process.

    Raises:
        UserError: the config asks for it, and it can't be done.
    """
    wanted, processes = training.config.evaluation.probe_before_removal, validation.processes
    if wanted is False or isinstance(training.schedule, Fixed):
        return None
    try:
        if processes.model_is_sharded:
            raise UserError("a sharded model can't be looked into")
        if len(validation.split) < FEWEST:
            raise UserError(f"there are fewer than {FEWEST} validation examples")
        found = NextTokenProbe.of(validation.model, validation.split, validation.token_format)
    except UserError as error:
        if not wanted:
            return None
        raise UserError(f"{error}: leave evaluation.probe_before_removal out") from error
    return found if processes.is_main else None


def _spared(train: TrainConfig, accelerator: Accelerator, objective: nn.Module) -> int | None:
    """How much padding a part of a batch must spare; None where batches stay whole.

    Raises:
        UserError: parts are asked for, and would change the loss.
    """
    divided = train.split_by_length
    if any(getattr(module, "mixes_rows", False) for module in objective.modules()):
        if divided:
            raise UserError(
                "this loss is no sum over rows, so that parts of a batch would give another: "
                "leave train.split_by_length out"
            )
        return None
    if divided is None:
        divided = accelerator.device.type == "cpu" and not train.compile
    return SPARED if divided and accelerator.num_processes == 1 else None


def too_long(training: Training) -> Iterator[str]:
    """A warning, if rows are longer than `data.max_length` before anything is removed by schedule.

    Without that limit, one if a row is far longer than most.

    Raises:
        UserError: all are.
    """
    longest, train = training.config.data.max_length, training.train
    if training.plan.answer_only:
        return
    if longest is None:
        most, usual = int(train.lengths.max()), int(np.median(train.lengths))
        if most > max(LONG, OUTLIER * usual):
            yield (
                f"the longest training example has {most:,} tokens, half of them have {usual:,} or "
                "fewer: a step with it takes far more memory; data.max_length leaves such out"
            )
        return
    first_stage = training.schedule.first_stage
    removed = removed_tokens(train, np.arange(len(train)), first_stage, training.plan)
    count = int((train.lengths - removed > longest).sum())
    if count == len(train):
        raise UserError(
            f"all {count:,} training examples are longer than data.max_length = {longest} tokens: "
            "nothing would be trained; raise it"
        )
    if count:
        yield (
            f"{count:,} of {len(train):,} training examples ({count / len(train):.0%}) are longer "
            f"than data.max_length = {longest} tokens, and are left out"
            + ("" if isinstance(training.schedule, Fixed) else " until enough is removed")
        )


def hardly_mastered(training: Training, steps_per_epoch: int) -> Iterator[str]:
    """Warnings where examples are seen too seldom to be learnt one by one."""
    config, schedule = training.config, training.schedule
    clock, greatest = clock_of(schedule), training.plan.greatest_stage(training.train)
    if not isinstance(clock, Mastery):
        return
    ahead = len(removals(schedule, clock.first_stage, greatest))
    known = limits(config.train, steps_per_epoch)
    if known and min(known) < ahead * steps_per_epoch:
        yield (
            f"an example is trained {min(known) / steps_per_epoch:.1f} times in this run and rises "
            f"once at most each time, but {ahead} removals lie ahead of the longest: train longer, "
            "set curriculum.remove_share, or take another schedule than 'mastery'"
        )
    if clock.max_steps is not None and clock.max_steps < steps_per_epoch:
        yield (
            f"curriculum.max_steps = {clock.max_steps:,} ends every stage before each example was "
            f"trained once, which takes {steps_per_epoch:,} steps: hardly any is learnt by itself"
        )


def describe(training: Training, context: RunContext, weights: Weights) -> CheckpointDescription:
    """What checkpoints of a training say of themselves, as of its step 0."""
    plan, data, tokenizer = training.plan, context.data, context.data.tokenizer
    config = without_folders(context.config).model_dump_json()
    lengths = data.validation.cot_lengths
    return CheckpointDescription(
        config=json.loads(config),
        language_model=isinstance(weights, ModelWeights) or method_of(context.config).plain_model,
        base_sha256=base_digest(weights.module),
        phase=training.phase.label,
        step=0,
        stage=0,
        greatest_stage=plan.greatest_stage(training.train),
        typical_cot_tokens=int(np.median(lengths)) if len(lengths) else 0,
        removal_order=None if plan.order is None else plan.order.tolist(),
        layout=Layout(
            separator=str(tokenizer.eos_token),
            separator_id=data.separator_id,
            separators=list(separator_texts(tokenizer)),
            answer_only=plan.answer_only,
            digits=None if data.task is None else digit_order(data.task),
        ),
        tokenizer=TokenizerFacts(
            kind=type(tokenizer).__name__,
            tokens=len(tokenizer),
            kept=None if kept_tokens(tokenizer) == len(tokenizer) else kept_tokens(tokenizer),
            sha256=vocabulary_digest(tokenizer),
            sample=sample_ids(tokenizer),
        ),
        data_fingerprint=data.fingerprint,
    )


def data_order(config: RunConfig, train: EncodedSplit) -> DataOrder:
    """The order in which a training reads its examples; a `UserError` if there are too few."""
    order = DataOrder(len(train), config.train.batch_size, config.seed)
    if order.steps_per_epoch == 0:
        raise UserError(
            f"there are only {len(train)} training examples for a batch of "
            f"{config.train.batch_size}: lower train.batch_size"
        )
    return order
