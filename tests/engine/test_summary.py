import random
from dataclasses import asdict

import pytest

from icot_tui.config import RunConfig, check_run
from icot_tui.engine.journal.events import (
    Collapsed,
    CommandDone,
    Event,
    ExamplesCounted,
    LossSpike,
    OptimizerReset,
    Paused,
    RolledBack,
    RunEnded,
    RunResumed,
    SpikeRecovered,
    StepsTrained,
    Unpaused,
    UpdatesSkipped,
)
from icot_tui.engine.journal.metrics import LOSS_WINDOW
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.journal.summary import RunSummary
from tests import events as made
from tests.events import MOST, STARTED, evaluated, removed, saved


def config(**sections: dict[str, object]) -> RunConfig:
    values: dict[str, object] = {
        "data": {"task": "multiplication"},
        "train": {"steps_after_removal": 50},
        "curriculum": {"remove_per_epoch": 2},  # one each 5 steps
    }
    return check_run(values | sections)


def trained(step: int, stage: int = 0, loss: float | None = 1.0, count: int = 1) -> StepsTrained:
    """The same loss in each of some steps, ten of which take a second."""
    return made.trained(step, stage, [loss] * count, 0.1 * count)


def fold(*events: Event, config: RunConfig | None = None) -> RunSummary:
    """One event a second."""
    return RunSummary.of(((1000.0 + at, event) for at, event in enumerate(events)), config)


def test_counts_and_the_last_of_everything() -> None:
    summary = fold(
        STARTED,
        trained(10, count=10),
        removed(10, 1),
        OptimizerReset(step=10, cause="removal 1"),
        LossSpike(step=12, spike=1, removal=1, baseline=0.5, loss=2.0),
        UpdatesSkipped(step=15, skipped=2, in_a_row=2),
        evaluated(20, 0.25),
        saved(20),
    )
    metrics = summary.metrics
    assert (metrics.step, metrics.stage, metrics.resets, metrics.skipped_updates) == (20, 1, 1, 2)
    assert (summary.started, summary.last_event_time) == (1000, 1007)
    assert (summary.removed, summary.greatest_stage) == (1, MOST)
    assert (metrics.best, metrics.best_step, metrics.checkpoint) == (0.25, 20, "step-00000020")
    assert metrics.evaluation is not None
    assert metrics.evaluation.exact_match == 0.25
    assert (len(metrics.spikes), metrics.open_spikes) == (1, 1)
    assert summary.steps_per_second == pytest.approx(10)


def test_an_empty_journal() -> None:
    summary = RunSummary()
    assert summary.status(locked=True, now=0) == "starting"
    assert summary.status(locked=False, now=0) == "dead"
    assert summary.metrics.loss is None
    assert summary.steps_per_second is None
    assert summary.seconds_left() is None


def test_the_loss_is_the_mean_of_the_last_finite_ones() -> None:
    summary = fold(STARTED, *(trained(step, loss=9.0) for step in range(1, 100)))
    assert summary.metrics.loss == 9
    for step in range(100, 100 + LOSS_WINDOW):
        summary.add(2000, trained(step, loss=1.0))
        summary.add(2000, trained(step, loss=None))
    assert summary.metrics.loss == 1


def test_the_best_starts_anew_once_everything_is_removed() -> None:
    summary = fold(STARTED, evaluated(1, 0.9), evaluated(2, 0.95), evaluated(3, 0.95))
    assert (summary.metrics.best, summary.metrics.best_step) == (0.95, 2)
    summary.add(2000, evaluated(4, 0.1, implicit=True))
    assert (summary.metrics.best, summary.metrics.best_step) == (0.1, 4)
    summary.add(2000, evaluated(5, 0.0, implicit=True))
    assert (summary.metrics.best, summary.metrics.best_step) == (0.1, 4)


def test_spikes_close_by_their_number() -> None:
    summary = fold(
        STARTED,
        LossSpike(step=1, spike=1, removal=3, baseline=0.5, loss=2.0),
        SpikeRecovered(step=9, spike=1, removal=3, height=1.5, steps=8),
        LossSpike(step=20, spike=2, removal=None, baseline=0.5, loss=2.0),
        Collapsed(step=90, spike=2, removal=None, height=3.0, steps=70),
    )
    first, second = summary.metrics.spikes
    assert (first.open, first.steps, first.height) == (False, 8, 1.5)
    assert (second.open, second.collapsed, second.height) == (True, True, 3.0)
    summary.add(2000, SpikeRecovered(step=120, spike=2, removal=None, height=3.0, steps=100))
    assert summary.metrics.open_spikes == 0


def test_a_resume_brings_back_the_figures_of_its_checkpoint() -> None:
    before = [
        STARTED,
        trained(10),
        evaluated(10, 0.5),
        LossSpike(step=10, spike=1, removal=1, baseline=0.1, loss=1),
        saved(10),
    ]
    undone = [
        removed(10, 1),
        OptimizerReset(step=10, cause="removal 1"),
        trained(20, stage=1),
        SpikeRecovered(step=20, spike=1, removal=1, height=1.0, steps=10),
        evaluated(20, 0.9),
        RunEnded(step=20, reason="killed", finished=False),
    ]
    resumed = RunResumed(step=10, checkpoint="step-00000010")
    summary = fold(*before, *undone, resumed)
    assert summary.metrics == fold(*before).metrics
    assert summary.ended is None
    assert summary.resumes == 1
    summary.add(2000, resumed)
    assert summary.metrics == fold(*before).metrics


def test_folding_equals_folding_what_is_effective() -> None:
    chance = random.Random(3)
    for _ in range(100):
        events: list[Event] = [STARTED]
        saved_at: list[int] = []
        step = stage = 0
        for _ in range(80):
            dice = chance.random()
            if dice < 0.1 and saved_at:
                step = chance.choice(saved_at)
                saved_at = [at for at in saved_at if at <= step]
                events.append(RunResumed(step=step, checkpoint=f"step-{step:08d}"))
            elif dice < 0.3 and step not in saved_at:
                saved_at.append(step)
                events.append(saved(step))
            elif dice < 0.4:
                stage = stage % MOST + 1
                events += [removed(step, stage), OptimizerReset(step=step, cause="")]
            elif dice < 0.5:
                events.append(evaluated(step, chance.random(), implicit=chance.random() < 0.3))
            elif dice < 0.55:
                events.append(
                    RolledBack(step=step, checkpoint="step-00000000", stage=0, cause="by command")
                )
            else:
                step += 1
                events.append(trained(step, stage, chance.random()))
        kept = [event for _, event in effective((0.0, event) for event in events)]
        folded, expected = (RunSummary.of((0.0, one) for one in some) for some in (events, kept))
        assert asdict(folded.metrics) == asdict(expected.metrics)


def test_a_run_that_starts_anew() -> None:
    summary = fold(STARTED, trained(5, stage=2), STARTED)
    assert (summary.metrics.step, summary.metrics.stage) == (0, 0)
    assert summary.started == 1000


def test_a_rollback_goes_back_in_stage_but_not_in_steps() -> None:
    summary = fold(STARTED, *(removed(step, step) for step in range(1, MOST + 1)), trained(9, MOST))
    assert summary.metrics.everything_removed_at == MOST
    summary.add(1999, ExamplesCounted(step=9, least=7, examples=[3, 7], unit="token"))
    summary.add(2000, RolledBack(step=9, checkpoint="step-00000003", stage=3, cause="by command"))
    metrics = summary.metrics
    assert metrics.counted is None  # those were of the weights that are given up
    assert (metrics.step, metrics.stage, metrics.rollbacks) == (9, 3, 1)
    assert metrics.everything_removed_at is None


def test_status() -> None:
    summary = fold(STARTED, trained(1))
    assert summary.status(locked=True, now=1002) == "training"
    assert summary.status(locked=False, now=1002) == "dead"
    assert summary.status(locked=True, now=1001 + 3600) == "stalled"
    summary.add(1003, Paused(step=1, reason="by command"))
    assert summary.status(locked=True, now=1_000_000) == "paused"
    summary.add(90_000, Unpaused(step=1))
    summary.add(90_001, trained(2))
    assert summary.status(locked=True, now=90_002) == "training"
    summary.add(90_003, RunEnded(step=2, reason="stopped by command", finished=False))
    assert summary.status(locked=False, now=90_004) == "stopped"
    summary.add(90_010, RunResumed(step=2, checkpoint="step-00000002"))
    assert summary.status(locked=True, now=90_011) == "training"
    summary.add(90_012, RunEnded(step=3, reason="done", finished=True))
    assert summary.status(locked=False, now=90_013) == "finished"


def test_a_trainer_that_has_said_nothing_yet_is_starting() -> None:
    killed, stopped, paused = (fold(STARTED, trained(1)) for _ in range(3))
    stopped.add(1002, RunEnded(step=1, reason="stopped by command", finished=False))
    paused.add(1002, Paused(step=1, reason="by command"))
    for summary in (killed, stopped, paused):
        assert summary.status(locked=True, now=9010, since=9000) == "starting"
        assert summary.status(locked=True, now=9000 + 3600, since=9000) == "stalled"
        assert summary.status(locked=False, now=9010, since=9000) in ("dead", "stopped")
        summary.add(9011, RunResumed(step=1, checkpoint="step-00000001"))
        assert summary.status(locked=True, now=9012, since=9000) == "training"
    stopped.add(9013, RunEnded(step=1, reason="stopped by command", finished=False))
    assert stopped.status(locked=True, now=9014, since=9000) == "stopped"  # not yet let go
    stopped.add(9015, RunEnded(step=1, reason="done", finished=True))
    assert stopped.status(locked=True, now=9017, since=9016) == "finished"  # not to be resumed
    assert killed.status(locked=True, now=9014, since=99_000) == "training"  # a clock that is off


def test_a_run_with_slow_evaluations_is_not_called_stalled() -> None:
    summary = fold(STARTED, trained(1))
    summary.add(3000, evaluated(1, 0.5))
    assert summary.status(locked=True, now=3000 + 2000) == "training"


def test_no_time_to_go_without_a_config_or_a_pace() -> None:
    assert fold(STARTED, trained(1), trained(2), trained(3)).seconds_left() is None
    assert fold(STARTED, trained(1), config=config()).seconds_left() is None


def test_the_linear_schedule_foretells_the_end() -> None:
    """8 tokens, one each 5 steps, then 50 steps more: 90 steps, one a second."""
    summary = fold(STARTED, *(trained(step) for step in range(1, 5)), config=config())
    assert summary.last_step() == 90
    assert summary.seconds_left() == pytest.approx(86)
    for event in (removed(5, 1), trained(6, 1)):
        summary.add(2000, event)
    assert summary.last_step() == 90


@pytest.mark.parametrize(
    ("sections", "last"),
    [
        ({"train": {"max_steps": 70, "steps_after_removal": 50}}, 70),
        ({"train": {"epochs": 2.5}}, 25),
        ({"train": {"target_accuracy": 0.9}}, None),
        ({"curriculum": {"remove_per_epoch": 2, "warmup_epochs": 1}}, 100),
        ({"curriculum": {"remove_per_epoch": 2, "remove_all_beyond": 3}}, 65),
        ({"curriculum": {"remove_per_epoch": 2, "first_stage": 2}}, 80),
        ({"curriculum": {"schedule": "loss_gated"}}, None),
        ({"method": {"name": "explicit_cot"}}, None),
        (
            {
                "curriculum": {
                    "schedule": "stages",
                    "stages": [
                        {"stage": 0, "steps": 20},
                        {"stage": 4, "steps": 10},
                        {"stage": 99, "steps": 1},
                    ],
                }
            },
            80,
        ),
        (
            {
                "curriculum": {
                    "schedule": "stages",
                    "stages": [{"stage": 0, "steps": 20}, {"stage": 4, "steps": 10}],
                }
            },
            None,
        ),
    ],
)
def test_the_last_step_of_a_recipe(
    sections: dict[str, dict[str, object]], last: int | None
) -> None:
    checked = config(**sections)
    first = checked.curriculum.first_stage
    assert fold(STARTED, trained(1, stage=first), config=checked).last_step() == last


def test_a_method_that_removes_everything_at_once() -> None:
    no_cot = config(method={"name": "no_cot"})
    summary = fold(STARTED, trained(10, stage=MOST, count=10), config=no_cot)
    assert summary.metrics.everything_removed_at == 0
    assert summary.last_step() == 50


def test_the_loss_gated_schedule_ends_at_its_limits_at_the_latest() -> None:
    gated = config(curriculum={"schedule": "loss_gated", "min_steps": 5})
    summary = fold(STARTED, removed(100, 1), trained(101, 1), config=gated)
    assert summary.last_step() is None and summary.may_end_earlier()
    curriculum = {"schedule": "loss_gated", "min_steps": 5, "max_steps": 30}
    limited = config(curriculum=curriculum)
    summary = fold(STARTED, removed(100, 1), trained(101, 1), config=limited)
    assert summary.last_step() == 100 + 7 * 30 + 50 and summary.may_end_earlier()
    summary.add(2001, trained(400, 1))  # this stage takes far longer: nobody can know
    assert summary.last_step() is None
    assert not fold(STARTED, trained(1), config=config()).may_end_earlier()


@pytest.mark.parametrize(
    "bend",
    [
        CommandDone(step=6, id="x", command="hold", done=True, effect="held", held=True),
        RolledBack(step=6, checkpoint="step-00000000", stage=0, cause="collapse"),
    ],
)
def test_a_bent_schedule_is_no_longer_foretold_from_the_config(bend: Event) -> None:
    summary = fold(STARTED, removed(5, 1), trained(6, 1), bend, config=config())
    assert summary.last_step() is None


def test_a_clock_that_is_overdue_is_not_believed() -> None:
    assert fold(STARTED, trained(30), config=config()).last_step() is None
