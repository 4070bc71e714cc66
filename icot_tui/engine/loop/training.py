"""What a method gives the engine to train, and what it is given for that."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from accelerate import Accelerator
from torch import nn

from icot_tui.config import Phase, RunConfig
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.curriculum.schedule import LossGated, Mastery, Schedule, clock_of
from icot_tui.curriculum.smoothing import NO_SMOOTHING, Smoothing
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.load import Data
from icot_tui.data.tokenizing import OWN_SEPARATORS, separator_id, separators
from icot_tui.data.vocabulary import kept_tokens, rows_before
from icot_tui.engine.checkpoints.description import check_origin
from icot_tui.engine.checkpoints.weights import ModelWeights, Weights
from icot_tui.engine.journal.events import Event
from icot_tui.engine.loop.control import Control
from icot_tui.engine.loop.update import Feed
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.models.activation import fuse_gelu
from icot_tui.models.attention import choose_attention
from icot_tui.models.behaviour import behaviour, kind
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NATS = "nats a token"


@dataclass(frozen=True)
class RunContext:
    """What a method builds its trainings from."""

    config: RunConfig  # the whole run's, before any training's own settings
    data: Data  # tokenizer and examples
    folder: RunFolder  # the run's
    accelerator: Accelerator  # device, precision
    control: Control  # receives commands; to be asked for a stop during long preparations
    emit: Callable[[Event], None]  # writes an event to the journal


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a run; most runs are one."""

    phase: Phase  # its config and its name
    train: EncodedSplit  # the examples
    objective: nn.Module  # gives the sum of the losses (`Loss`); asked for rows, theirs besides
    plan: RemovalPlan  # how tokens are removed; the layout
    schedule: Schedule  # when
    positions: int  # position ids that the models have
    evaluated_model: Callable[[nn.Module], SupervisedLM]  # from the bare objective
    saved: Callable[[nn.Module], Weights]  # what checkpoints hold, likewise
    smoothing: Smoothing = NO_SMOOTHING  # how many more by chance
    feed: Feed | None = None  # the objective's arguments; None: those of a language model
    per_row: bool = False  # the loss is a mean over rows, not over supervised tokens
    unit: str = NATS  # of the losses
    emulation_errors: Callable[[], list[float]] | None = None  # by block; of an emulator

    @property
    def config(self) -> RunConfig:
        return self.phase.config

    @property
    def gates_scheduled_rows(self) -> bool:
        """Is a gate held against the loss of the rows at the stage itself alone?"""
        return _gates_scheduled_rows(self.schedule, self.config)

    @property
    def reads_rows(self) -> bool:
        """Are the losses of single rows needed?"""
        return _reads_rows(self.schedule, self.config)


def _gates_scheduled_rows(schedule: Schedule, config: RunConfig) -> bool:
    gated = isinstance(clock_of(schedule), LossGated)
    return gated and config.curriculum.gate_rows == "scheduled"


def _reads_rows(schedule: Schedule, config: RunConfig) -> bool:
    return isinstance(clock_of(schedule), Mastery) or _gates_scheduled_rows(schedule, config)


def positions_needed(config: RunConfig, data: Data) -> int:
    """Position ids that whole examples take; over-long ones of the training split are left out."""
    longest = data.train.max_length
    if config.data.max_length is not None:
        longest = min(longest, config.data.max_length)
    held_out = data.validation.max_length
    if data.task is None and data.test is not None:
        held_out = max(held_out, data.test.max_length)
    if data.ood is not None:
        held_out = max(held_out, data.ood.max_length)
    return max(longest, held_out)


def new_model(context: RunContext, phase: Phase, more_positions: int = 0) -> "PreTrainedModel":
    """The model that the config describes, with room for the longest example and a few more."""
    config, data = phase.config, context.data
    positions = positions_needed(config, data) + more_positions
    words, kept = data.tokenizer, None
    if config.model.pretrained is not None:
        if data.whole is not None:
            words, kept = data.whole, rows_before(data.tokenizer, data.whole)
        origin = Path(config.model.pretrained).expanduser()
        check_origin(origin, words, language_model=True)
    may_grow = len(OWN_SEPARATORS) if len(set(separators(words))) > 1 else 0
    vocabulary, end = kept_tokens(words), separator_id(words)
    lm = build_model(
        config.model,
        vocabulary,
        end,
        positions,
        seed=config.seed,
        may_grow=may_grow,
        kept=kept,
    )
    fuse_gelu(lm)
    choose_attention(lm, config.model.precision, context.accelerator.device.type, positions)
    return lm


def language_model_training(
    context: RunContext,
    phase: Phase,
    schedule: Schedule,
    smoothing: Smoothing = NO_SMOOTHING,
    lm: "PreTrainedModel | None" = None,
    saved: Callable[["PreTrainedModel"], Weights] = ModelWeights,
) -> Training:
    """Negative log-likelihood of everything after the first separator.

    `lm` is the model, or what can be asked like one; None: as the config describes. `saved` gives
    what checkpoints hold of it. A `UserError` says that model and data don't fit each other.
    """
    config, data = phase.config, context.data
    curriculum = config.curriculum
    longest, keeps_positions = data.train.max_cot_tokens, curriculum.keep_positions
    side, unit = curriculum.side, curriculum.unit

    def supervised(bare: nn.Module) -> SupervisedLM:
        assert isinstance(bare, SupervisedLM)
        return bare

    lm = new_model(context, phase) if lm is None else lm
    if keeps_positions and not behaviour(lm).uses_positions:
        raise UserError(
            f"curriculum.keep_positions has no effect on {kind(lm)}, which does without position "
            "ids: leave it out"
        )
    return Training(
        phase=phase,
        train=data.train,
        objective=SupervisedLM(lm, _reads_rows(schedule, config)),
        plan=RemovalPlan.seeded(side, keeps_positions, longest, config.seed, unit),
        schedule=schedule,
        smoothing=smoothing,
        positions=positions_needed(config, data),
        evaluated_model=supervised,
        saved=lambda bare: saved(supervised(bare).lm),
    )
