"""Made-up events of a run of eight removals."""

from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Evaluated,
    NextTokensProbed,
    RunStarted,
    StepsTrained,
    TokenRemoved,
)

MOST = 8
STARTED = RunStarted(
    step=0,
    name="r",
    method="ICoT-SI",
    version="1",
    device="cpu",
    processes=1,
    parameters=1000,
    train_examples=640,
    validation_examples=100,
    steps_per_epoch=10,
    max_cot_tokens=MOST,
)


def trained(
    step: int,
    stage: int = 0,
    losses: list[float | None] | None = None,
    seconds: float = 1.0,
    loss_parts: dict[str, float | None] | None = None,
) -> StepsTrained:
    losses = [1.0] if losses is None else losses
    first = step - len(losses) + 1
    return StepsTrained(
        step=step,
        first=first,
        losses=losses,
        gradient_norms=list(losses),
        stage=stage,
        learning_rate=1e-3,
        supervised_tokens=10,
        dropped_rows=0,
        seconds=seconds,
        loss_parts=loss_parts or {},
    )


def removed(step: int, stage: int) -> TokenRemoved:
    return TokenRemoved(
        step=step, before=stage - 1, stage=stage, cause="on schedule", everything=stage == MOST
    )


def probed(step: int, before: int, readable: float | None = 0.75) -> NextTokensProbed:
    """A look at the one token that goes after a stage."""
    return NextTokensProbed(
        step=step,
        before=before,
        stage=before + 1,
        tokens=1,
        examples=500,
        readable=readable,
        shuffled=None if readable is None else 0.21,
        majority=None if readable is None else 0.29,
        layers=[] if readable is None else [0.29, readable, 0.5],
        seconds=0.1,
        unknown="too few" if readable is None else "",
    )


def saved(step: int, stage: int = 0) -> CheckpointSaved:
    return CheckpointSaved(step=step, path=f"step-{step:08d}", stage=stage, bytes=100, seconds=0.1)


def evaluated(
    step: int, exact: float = 0.5, samples: str = "", stage: int = 0, implicit: bool = False
) -> Evaluated:
    by_digit = [exact, 0.5, 1.0]
    return Evaluated(
        step=step,
        stage=stage,
        implicit=implicit,
        exact_match=exact,
        low=0.0,
        high=1.0,
        examples=100,
        loss=0.1,
        token_accuracy=by_digit,
        best=exact,
        seconds=1.0,
        samples=samples,
    )
