"""Explicit CoT: the baseline that writes every step."""

from typing import TYPE_CHECKING

from icot_tui.config import Phase
from icot_tui.curriculum.schedule import Fixed
from icot_tui.methods.base import Method

if TYPE_CHECKING:
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.engine.loop.training import language_model_training

    return language_model_training(context, phase, Fixed(0))


_TEXT = "Nothing is removed: up to {most} are written before every answer."
METHOD = Method(
    name="explicit_cot",
    title="Explicit CoT",
    description="explicit chain of thought",
    writes_cot=True,
    promise="you will read what writing the whole chain of thought means",
    texts=(
        f"{_TEXT} It shows what can be reached when every step is written.",
        _TEXT,
        "every step is written",
    ),
    training=_training,
)
