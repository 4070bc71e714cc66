"""The baselines: No CoT never sees a step, Explicit CoT writes every one."""

from typing import TYPE_CHECKING

from icot_tui.config import Phase
from icot_tui.curriculum.schedule import ALL, Fixed
from icot_tui.methods.base import Method

if TYPE_CHECKING:
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training


def _no_cot(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.engine.loop.training import language_model_training

    return language_model_training(context, phase, Fixed(ALL))


def _explicit_cot(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.engine.loop.training import language_model_training

    return language_model_training(context, phase, Fixed(0))


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
    training=_no_cot,
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
    training=_explicit_cot,
)
