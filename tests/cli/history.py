"""A run's history, journaled without any training."""

import pytest

from icot_tui.engine.journal.events import Evaluated, Event, RunStarted, StepsTrained
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.run_folder import RunFolder

Output = pytest.CaptureFixture[str]

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
    max_cot_tokens=8,
)

TRAINED = [
    StepsTrained(
        step=10 * n,
        first=10 * n - 9,
        losses=[1.0] * 10,
        gradient_norms=[1.0] * 10,
        stage=3,
        learning_rate=1e-3,
        supervised_tokens=10,
        dropped_rows=0,
        seconds=1.0,
    )
    for n in range(1, 11)
]

MEASURED = Evaluated(
    step=100,
    stage=3,
    implicit=False,
    exact_match=0.75,
    low=0.7,
    high=0.8,
    examples=1000,
    loss=0.1,
    token_accuracy=[0.5, 0.7, 0.9],
    best=0.75,
    seconds=1.0,
    samples="",
)


def journal(folder: RunFolder, *events: Event) -> None:
    written = Journal(folder.journal)
    for event in events:
        written.write(event)
    written.close()
