"""An event as a training writes it."""

from icot_tui.engine.journal.events import (
    StepsTrained,
)


def trained(step: int, loss: float | None = 1.0) -> StepsTrained:
    return StepsTrained(
        step=step,
        first=step,
        losses=[loss],
        gradient_norms=[1.0],
        stage=0,
        learning_rate=1e-3,
        supervised_tokens=10,
        dropped_rows=0,
        seconds=0.1,
    )
