import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from icot_tui.curriculum.schedule import StageProgress, build_schedule
from icot_tui.engine.journal.events import (
    Collapsed,
    CommandDone,
    LossSpike,
    OptimizerReset,
    SpikeRecovered,
)
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.watch.estimates import seconds_per_step, spike_now
from icot_tui.watch.history import History
from tests.engine.test_summary import config
from tests.events import MOST, STARTED, removed, trained


def history_of(*events, settings=None) -> History:
    history = History(settings)
    for at, event in enumerate(events):
        history.add(1000.0 + at, event)
    return history


def test_the_schedule_ahead_of_a_linear_run() -> None:
    """One token each 5 steps, a step a second."""
    history = history_of(STARTED, *(trained(step) for step in range(1, 5)), settings=config())
    ahead = history.summary.removals_ahead(3)
    assert [(one.step, one.stage, one.sure) for one in ahead] == [
        (5, 1, True), (10, 2, True), (15, 3, True),
    ]  # fmt: skip
    assert seconds_per_step(history.summary) == pytest.approx(1)
    assert history.summary.everything_removed_at() == 40
    assert len(history.summary.removals_ahead(100)) == MOST


def test_everything_goes_at_once_beyond_a_stage() -> None:
    settings = config(curriculum={"remove_per_epoch": 2, "remove_all_beyond": 3})
    history = history_of(STARTED, *(trained(step) for step in range(1, 5)), settings=settings)
    assert [one.stage for one in history.summary.removals_ahead(9)] == [1, 2, MOST]


def test_removals_that_take_a_share_of_what_is_left_are_told_ahead() -> None:
    settings = config(curriculum={"remove_per_epoch": 2, "remove_share": 0.5})
    summary = history_of(STARTED, *(trained(step) for step in range(1, 5)), settings=settings)
    ahead = [(one.step, one.stage) for one in summary.summary.removals_ahead(9)]
    assert ahead == [(5, 4), (10, 6), (15, 7), (20, MOST)]
    assert summary.summary.everything_removed_at() == 20 and summary.summary.next_stage() == 4
    first, second = replace(removed(10, 4), before=0), replace(removed(18, 6), before=4)
    changed = history_of(
        *(STARTED, first, trained(11, 4), second, trained(19, 6)),
        CommandDone(step=19, id="a", command="set-delta", done=True, effect=""),
        settings=settings,
    )
    ahead = [(one.step, one.stage, one.sure) for one in changed.summary.removals_ahead(9)]
    assert ahead == [(26, 7, False), (34, MOST, False)]


def test_a_fixed_list_of_stages() -> None:
    stages = [{"stage": 0, "steps": 20}, {"stage": 4, "steps": 10}, {"stage": 99, "steps": 1}]
    settings = config(curriculum={"schedule": "stages", "stages": stages})
    history = history_of(STARTED, *(trained(step) for step in range(1, 5)), settings=settings)
    ahead = history.summary.removals_ahead(5)
    assert [(one.step, one.stage) for one in ahead] == [(20, 4), (30, MOST)]


@settings(max_examples=40)
@given(
    st.integers(0, 9),
    st.integers(1, 6),
    st.none() | st.integers(6, 12),
    st.lists(st.booleans(), min_size=10, max_size=10),
    st.none() | st.floats(0.05, 1.0),
)
def test_a_loss_gated_run_ends_between_the_bounds_that_were_told(
    warmup: int, least: int, most: int | None, learnt: list[bool], share: float | None
) -> None:
    """Whatever the losses are, and whenever one asks."""
    curriculum = {"schedule": "loss_gated", "min_steps": least, "warmup_epochs": warmup / 10}
    given_values = {"max_steps": most, "remove_share": share}
    setting = config(
        curriculum=curriculum | {k: v for k, v in given_values.items() if v is not None}
    )
    schedule = build_schedule(setting.curriculum, STARTED.steps_per_epoch, MOST)
    summary, told = RunSummary(setting), list[tuple[int, int | None]]()
    summary.add(0.0, STARTED)
    stage = since = step = 0
    while stage < MOST:
        bounds = summary.removal_bounds()
        assert bounds is not None and bounds[0] >= step
        assert summary.everything_removed_at() == (bounds[0] if len(set(bounds)) == 1 else None)
        told.append(bounds)
        loss = 0.0 if learnt[step % len(learnt)] or step > 500 else 9.0
        now = schedule.stage(StageProgress(stage, step - since, loss))
        if now > stage:
            stage, since = now, step
            summary.add(1.0 + step, removed(step, stage))
        else:
            step += 1
            summary.add(1.0 + step, trained(step, stage))
    assert all(low <= step <= (step if high is None else high) for low, high in told)
    assert summary.removal_bounds() is None and summary.everything_removed_at() == step


def test_a_loss_gated_run_tells_no_removals_ahead() -> None:
    history = history_of(
        *(STARTED, removed(100, 1), trained(101, 1), removed(120, 2), trained(121, 2)),
        settings=config(curriculum={"schedule": "loss_gated"}),
    )
    assert history.summary.removals_ahead(5) == []


def test_a_run_whose_examples_are_learnt_one_by_one_may_remove_much_at_once() -> None:
    curriculum = {"schedule": "mastery", "keep_positions": True, "min_steps": 20, "max_steps": 50}
    history = history_of(STARTED, trained(1), settings=config(curriculum=curriculum))
    summary = history.summary
    assert summary.removals_ahead(5) == [] and summary.everything_removed_at() is None
    assert summary.removal_bounds() == (20, 50 * MOST) and summary.next_stage() == 1


def test_nothing_lies_ahead_where_nobody_can_know() -> None:
    assert history_of(STARTED, trained(1)).summary.removals_ahead(5) == []
    whole = history_of(STARTED, removed(1, MOST), trained(2, MOST), settings=config()).summary
    assert whole.removals_ahead(5) == []
    assert whole.everything_removed_at() == 1


def test_what_became_of_spikes() -> None:
    history = history_of(
        STARTED,
        trained(20, losses=[0.5] * 20),
        removed(20, 1),
        OptimizerReset(step=20, cause="removal 1"),
        trained(30, 1, [2.5] * 10),
        LossSpike(step=30, spike=1, removal=1, baseline=0.5, loss=2.5),
        trained(60, 1, [0.5] * 30),
        SpikeRecovered(step=60, spike=1, removal=1, height=2.0, steps=40),
        removed(60, 2),
        trained(70, 2, [4.5] * 10),
        LossSpike(step=66, spike=2, removal=2, baseline=0.5, loss=4.5),
        trained(80, 2, [1.5] * 10),
    )
    first, second = (spike_now(history, spike) for spike in history.summary.metrics.spikes)
    assert (first.outcome, first.steps, first.height, first.since) == ("recovered", 40, 2.0, 20)
    assert (second.outcome, second.steps, second.since) == ("recovering", 20, 60)
    assert second.height == pytest.approx(4)
    assert second.left == pytest.approx(0.25)
    history.add(2000.0, Collapsed(step=80, spike=2, removal=2, height=4.0, steps=20))
    assert spike_now(history, history.summary.metrics.spikes[-1]).outcome == "collapsed"


def test_a_spike_without_numbers() -> None:
    history = history_of(
        STARTED,
        trained(1, losses=[None]),
        LossSpike(step=1, spike=1, removal=None, baseline=0.5, loss=None),
    )
    spike = spike_now(history, history.summary.metrics.spikes[0])
    assert (spike.outcome, spike.height, spike.left) == ("recovering", None, None)
