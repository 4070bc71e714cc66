"""What the engine is given to train: one loss, how it is fed, judged and saved."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from icot_tui.config import Phase, RunConfig
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.curriculum.schedule import Schedule
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.load import Data
from icot_tui.engine.checkpoints.weights import ModelWeights, Weights
from icot_tui.engine.loop.update import Feed
from icot_tui.errors import UserError
from icot_tui.methods import METHODS
from icot_tui.models.build import build_model

if TYPE_CHECKING:
    from icot_tui.models.supervised import SupervisedLM

NATS = "nats a token"


@dataclass(frozen=True)
class Training:
    """One training of a run; most runs are one.

    Attributes:
        config: the run's, as it holds for this training.
        train: the examples.
        objective: gives the sum of the losses.
        plan: how tokens are removed; the layout.
        schedule: when.
        positions: position ids that the models have.
        evaluated_model: the model that evaluation asks, from the objective without its wrappers.
        saved: what checkpoints hold, likewise.
        phase: which one, in a run of several.
        feed: the objective's arguments; None: those of a language model.
        per_row: the loss is a mean over rows, not over supervised tokens.
        unit: of the losses.
        thought_errors: how far the emulated thoughts of held-out examples are off, by block.
    """

    config: RunConfig
    train: EncodedSplit
    objective: nn.Module
    plan: RemovalPlan
    schedule: Schedule
    positions: int
    evaluated_model: "Callable[[nn.Module], SupervisedLM]"
    saved: Callable[[nn.Module], Weights]
    phase: Phase | None = None
    feed: Feed | None = None
    per_row: bool = False
    unit: str = NATS
    thought_errors: Callable[[], list[float]] | None = None


def language_model_training(config: RunConfig, data: Data, steps_per_epoch: int) -> Training:
    """The one training of No CoT, explicit CoT and Stepwise Internalization.

    Raises:
        UserError: model and data don't fit each other, or the method trains nothing.
    """
    from icot_tui.models.supervised import SupervisedLM

    if config.method.name not in METHODS:
        raise UserError(f"the method '{config.method.name}' trains nothing")
    method, curriculum = METHODS[config.method.name], config.curriculum
    positions = positions_needed(config, data)
    lm = build_model(config.model, len(data.tokenizer), data.separator_id, positions, config.seed)

    def supervised(bare: nn.Module) -> SupervisedLM:
        assert isinstance(bare, SupervisedLM)
        return bare

    return Training(
        config=config,
        train=data.train,
        objective=method.objective(lm),
        plan=RemovalPlan.seeded(
            curriculum.side, curriculum.keep_positions, data.train.max_cot_tokens, config.seed
        ),
        schedule=method.schedule(curriculum, steps_per_epoch),
        positions=positions,
        evaluated_model=supervised,
        saved=lambda bare: ModelWeights(supervised(bare).lm),
    )


def positions_needed(config: RunConfig, data: Data) -> int:
    """Position ids that whole examples take; over-long ones of the training split are left out."""
    longest = data.train.max_length
    if config.data.max_length is not None:
        longest = min(longest, config.data.max_length)
    return max(longest, data.validation.max_length)
