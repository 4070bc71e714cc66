"""ICoT-SI, Stepwise Internalization (arXiv 2405.14838, section 3), and its two baselines."""

from functools import partial
from typing import TYPE_CHECKING

from icot_tui.config import Phase, RunConfig, method_of
from icot_tui.curriculum.schedule import ALL, Fixed, Schedule, build_schedule
from icot_tui.methods.base import Method

if TYPE_CHECKING:
    from icot_tui.curriculum.smoothing import Smoothing
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training


def removal_of(context: "RunContext", config: RunConfig) -> "tuple[Schedule, Smoothing]":
    """When tokens go as the curriculum says, and how many more by chance.

    All at once, from the first step on, for a method that does not remove them one by one.
    """
    from icot_tui.curriculum.removal import RemovalPlan
    from icot_tui.curriculum.smoothing import NO_SMOOTHING, Smoothing
    from icot_tui.engine.loop.build import data_order

    if not method_of(config).removes_tokens:
        return Fixed(ALL), NO_SMOOTHING
    curriculum, train = config.curriculum, context.data.train
    steps_per_epoch = data_order(config, train).steps_per_epoch
    greatest = RemovalPlan(unit=curriculum.unit).greatest_stage(train)
    smoothing = Smoothing(curriculum.smoothing, config.seed, curriculum.mixed_stages)
    return build_schedule(curriculum, steps_per_epoch, greatest), smoothing


def _stepwise(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    """The stage rises from 0 to m while training goes on."""
    from icot_tui.engine.loop.training import language_model_training

    return language_model_training(context, phase, *removal_of(context, phase.config))


def _at_stage(stage: int, context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.engine.loop.training import language_model_training

    return language_model_training(context, phase, Fixed(stage))


STEPWISE = Method(
    name="stepwise",
    title="ICoT-SI",
    description="Stepwise Internalization (ICoT-SI, arXiv 2405.14838)",
    removes_tokens=True,
    promise="you will see the chain of thought shrink, token by token, as training goes on",
    training=_stepwise,
)
_NO_STEP = "The model never sees a step: it answers straight from the question."
NO_COT = Method(
    name="no_cot",
    title="No CoT",
    description="no chain of thought",
    is_control=True,
    promise="you will read what answering without a chain of thought means",
    texts=(
        f"{_NO_STEP} A stepwise run is measured against this.",
        _NO_STEP,
        "no step is ever shown",
    ),
    training=partial(_at_stage, ALL),
)
_EVERY_STEP = "Nothing is removed: up to {most} are written before every answer."
EXPLICIT_COT = Method(
    name="explicit_cot",
    title="Explicit CoT",
    description="explicit chain of thought",
    writes_cot=True,
    promise="you will read what writing the whole chain of thought means",
    texts=(
        f"{_EVERY_STEP} It shows what can be reached when every step is written.",
        _EVERY_STEP,
        "every step is written",
    ),
    training=partial(_at_stage, 0),
)
