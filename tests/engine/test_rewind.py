"""A resume or rollback undoes what followed its checkpoint."""

import random

from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Event,
    RunResumed,
    RunStarted,
    TokenRemoved,
)
from icot_tui.engine.journal.rewind import effective
from tests.engine.journal_lines import trained


def standing(events: list[Event]) -> list[Event]:
    return [event for _, event in effective((0.0, event) for event in events)]


def test_a_resume_undoes_what_came_after_its_checkpoint() -> None:
    before = [trained(10), CheckpointSaved(step=10, path="step-10", stage=0, bytes=1, seconds=0.1)]
    undone = [
        TokenRemoved(step=10, before=0, stage=1, cause="on schedule", everything=False),
        trained(20),
    ]
    after = [
        RunResumed(step=10, checkpoint="step-10"),
        TokenRemoved(step=10, before=0, stage=1, cause="on schedule", everything=False),
        trained(20),
    ]
    assert standing([*before, *undone, *after]) == [*before, *after]


def test_a_second_resume_from_the_same_checkpoint() -> None:
    saved, resumed = (
        CheckpointSaved(step=10, path="step-10", stage=0, bytes=1, seconds=0.1),
        RunResumed(step=10, checkpoint="step-10"),
    )
    assert standing([saved, trained(20), resumed, trained(20), resumed]) == [
        saved,
        resumed,
        resumed,
    ]


def test_a_checkpoint_whose_line_was_lost() -> None:
    resumed = RunResumed(step=10, checkpoint="step-10")
    assert standing([trained(10), resumed, trained(20)]) == [trained(10), resumed, trained(20)]
    assert standing([trained(10), trained(20), resumed]) == [trained(10), resumed]


def test_a_run_that_starts_anew_undoes_everything() -> None:
    started = RunStarted(
        step=0,
        name="r",
        method="m",
        version="1",
        device="cpu",
        processes=1,
        parameters=1,
        train_examples=1,
        validation_examples=1,
        steps_per_epoch=1,
        max_cot_tokens=1,
    )
    assert standing([started, trained(10), started]) == [started]


def test_effective_on_random_histories_is_what_the_branch_wrote() -> None:
    """Kill a simulated run at random; what stands is always the history of the surviving branch."""
    chance = random.Random(7)
    for _ in range(200):
        events: list[Event] = []
        branch: list[Event] = []
        saved: dict[str, list[Event]] = {}
        step = 0
        for _ in range(60):
            dice = chance.random()
            if dice < 0.15 and saved:
                name = chance.choice(list(saved))
                step = int(name)
                new: Event = RunResumed(step=step, checkpoint=name)
                branch = [*saved[name], new]
            elif dice < 0.4 and str(step) not in saved:
                new = CheckpointSaved(step=step, path=str(step), stage=0, bytes=1, seconds=0.1)
                branch = [*branch, new]
                saved[str(step)] = branch
            else:
                step += 1
                new = trained(step, chance.random())
                branch = [*branch, new]
            events.append(new)
            if isinstance(new, RunResumed):  # newer checkpoints were damaged
                saved = {name: past for name, past in saved.items() if int(name) < step}
                saved[str(step)] = branch
        assert standing(events) == branch
