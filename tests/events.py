"""Made-up events of a run of eight removals."""

from icot_tui.engine.events import (
    CheckpointSaved,
    Evaluated,
    RunStarted,
    StepsTrained,
    TokenRemoved,
)

MOST = 8
STARTED = RunStarted(0, "r", "ICoT-SI", "1", "cpu", 1, 1000, 640, 100, 10, MOST)


def trained(
    step: int, stage: int = 0, losses: list[float | None] | None = None, seconds: float = 1.0
) -> StepsTrained:
    losses = [1.0] if losses is None else losses
    first = step - len(losses) + 1
    return StepsTrained(step, first, losses, list(losses), stage, 1e-3, 10, 0, seconds)


def removed(step: int, stage: int) -> TokenRemoved:
    return TokenRemoved(step, stage - 1, stage, "on schedule", stage == MOST)


def saved(step: int, stage: int = 0) -> CheckpointSaved:
    return CheckpointSaved(step, f"step-{step:08d}", stage, 100, 0.1)


def evaluated(
    step: int, exact: float = 0.5, samples: str = "", stage: int = 0, implicit: bool = False
) -> Evaluated:
    by_digit = [exact, 0.5, 1.0]
    return Evaluated(
        step, stage, implicit, exact, 0.0, 1.0, 100, 0.1, by_digit, exact, 1.0, samples
    )
