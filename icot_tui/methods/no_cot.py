"""No CoT: the baseline that never sees a step."""

from typing import TYPE_CHECKING

from icot_tui.config import Phase
from icot_tui.curriculum.schedule import ALL, Fixed
from icot_tui.methods.base import Method

if TYPE_CHECKING:
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.engine.loop.training import language_model_training

    return language_model_training(context, phase, Fixed(ALL))


_TEXT = "The model never sees a step: it answers straight from the question."
METHOD = Method(
    name="no_cot",
    title="No CoT",
    description="no chain of thought",
    is_control=True,
    promise="you will read what answering without a chain of thought means",
    texts=(f"{_TEXT} A stepwise run is measured against this.", _TEXT, "no step is ever shown"),
    training=_training,
)
