"""ICoT-SI, Stepwise Internalization (arXiv 2405.14838, section 3)."""

from typing import TYPE_CHECKING

from icot_tui.config import Phase, RunConfig
from icot_tui.curriculum.schedule import Schedule, Smoothing, build_schedule
from icot_tui.methods.base import Method

if TYPE_CHECKING:
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training


def removal_of(context: "RunContext", config: RunConfig) -> tuple[Schedule, Smoothing]:
    """When tokens go as the curriculum says, and how many more by chance."""
    from icot_tui.engine.loop.build import data_order

    curriculum = config.curriculum
    steps_per_epoch = data_order(config, context.data.train).steps_per_epoch
    smoothing = Smoothing(curriculum.smoothing, config.seed, curriculum.mixed_stages)
    return build_schedule(curriculum, steps_per_epoch), smoothing


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    """The stage rises from 0 to m while finetuning goes on."""
    from icot_tui.engine.loop.training import language_model_training

    return language_model_training(context, phase, *removal_of(context, phase.config))


METHOD = Method(
    name="stepwise",
    title="ICoT-SI",
    description="Stepwise Internalization (ICoT-SI, arXiv 2405.14838)",
    removes_tokens=True,
    promise="you will see the chain of thought shrink, token by token, as training goes on",
    training=_training,
)
