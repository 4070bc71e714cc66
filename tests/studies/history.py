"""A run's history, journaled without any training."""

from pathlib import Path

from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    StepsTrained,
    TokenRemoved,
)
from icot_tui.engine.journal.journal import Journal
from icot_tui.runs.new_run import create_run
from icot_tui.studies.outcome import Outcome
from tests.tiny import tiny


def evaluated(step: int, stage: int, right: float, implicit: bool = False) -> Evaluated:
    return Evaluated(
        step=step,
        stage=stage,
        implicit=implicit,
        exact_match=right,
        low=0.0,
        high=1.0,
        examples=10,
        loss=1.0,
        token_accuracy=[right, 1.0],
        best=right,
        seconds=0.1,
        samples="",
    )


def steps(first: int, last: int, stage: int) -> StepsTrained:
    losses: list[float | None] = [1.0] * (last - first + 1)
    return StepsTrained(
        step=last,
        first=first,
        losses=losses,
        gradient_norms=losses,
        stage=stage,
        learning_rate=1e-3,
        supervised_tokens=10,
        dropped_rows=0,
        seconds=0.5 * len(losses),
    )


STARTED = RunStarted(
    step=0,
    name="r",
    method="ICoT-SI",
    version="9.9",
    device="cpu",
    processes=1,
    parameters=1000,
    train_examples=640,
    validation_examples=100,
    steps_per_epoch=10,
    max_cot_tokens=8,
)

HISTORY: list[Event] = [
    STARTED,
    steps(1, 10, 0),
    evaluated(10, 0, 1.0),
    CheckpointSaved(step=10, path="checkpoints/step-00000010", stage=0, bytes=1, seconds=0.1),
    TokenRemoved(step=10, before=0, stage=5, cause="on schedule", everything=False),
    steps(11, 20, 5),
    evaluated(20, 5, 0.9),
    RunResumed(step=10, checkpoint="checkpoints/step-00000010"),
    TokenRemoved(step=10, before=0, stage=6, cause="on schedule", everything=False),
    steps(11, 20, 6),
    evaluated(20, 6, 0.95),
    TokenRemoved(step=20, before=6, stage=8, cause="on schedule", everything=True),
    steps(21, 30, 8),
    evaluated(30, 8, 0.7, True),
    steps(31, 40, 8),
    evaluated(40, 8, 0.6, True),
    RunEnded(step=40, reason="done", finished=True),
]


def run_with(runs: Path, events: list[Event], **sections: object) -> Outcome:
    folder = create_run(tiny(**sections), runs)
    journal = Journal(folder.journal)
    for event in events:
        journal.write(event)
    journal.close()
    return Outcome(folder)
