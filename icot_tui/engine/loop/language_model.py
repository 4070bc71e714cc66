"""The training of one language model on what is left of the chain of thought, and on the answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from icot_tui.config import Phase
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.curriculum.schedule import Schedule
from icot_tui.curriculum.smoothing import NO_SMOOTHING, Smoothing
from icot_tui.engine.checkpoints.weights import ModelWeights, Weights
from icot_tui.engine.loop.phase import RunContext, Training, positions_needed
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def new_model(context: RunContext, phase: Phase, more_positions: int = 0) -> "PreTrainedModel":
    """The model that the config describes, with room for the longest example and a few more."""
    config, data = phase.config, context.data
    positions = positions_needed(config, data) + more_positions
    return build_model(config.model, len(data.tokenizer), data.separator_id, positions, config.seed)


def language_model_training(
    context: RunContext,
    phase: Phase,
    schedule: Schedule,
    smoothing: Smoothing = NO_SMOOTHING,
    lm: "PreTrainedModel | None" = None,
    saved: Callable[["PreTrainedModel"], Weights] = ModelWeights,
) -> Training:
    """Negative log-likelihood of everything after the first separator.

    Args:
        context: the run.
        phase: the training.
        schedule: when tokens are removed.
        smoothing: how many more.
        lm: the model, or what can be asked like one; None: as the config describes.
        saved: what checkpoints hold of it.

    Raises:
        UserError: model and data don't fit each other.
    """
    config, data = phase.config, context.data
    curriculum = config.curriculum

    def supervised(bare: nn.Module) -> SupervisedLM:
        assert isinstance(bare, SupervisedLM)
        return bare

    return Training(
        phase=phase,
        train=data.train,
        objective=SupervisedLM(new_model(context, phase) if lm is None else lm),
        plan=RemovalPlan.seeded(
            curriculum.side, curriculum.keep_positions, data.train.max_cot_tokens, config.seed
        ),
        schedule=schedule,
        smoothing=smoothing,
        positions=positions_needed(config, data),
        evaluated_model=supervised,
        saved=lambda bare: saved(supervised(bare).lm),
    )
