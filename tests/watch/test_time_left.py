"""Ranges of the time until all is removed, and until the end."""

from typing import Any

import pytest
from msgspec.structs import replace

from icot_tui.engine.journal.events import Paused, RunEnded
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.formatting import rough_range, whole_share
from icot_tui.watch.time_left import WIDEST, time_left, until_all_removed, until_end
from tests.engine.test_summary import config
from tests.events import MOST, STARTED, removed, trained

LINEAR = {"remove_per_epoch": 1}  # one each ten steps
GATED = {"schedule": "loss_gated", "min_steps": 20, "max_steps": 400}


def run(settings: Any, stages: list[int], after: int = 10) -> RunSummary:
    """A step a second; each stage lasted so many steps."""
    summary = RunSummary(settings)
    summary.add(0.0, STARTED)
    step = 0
    for stage, lasted in enumerate([*stages, after]):
        for _ in range(lasted):
            step += 1
            summary.add(float(step), trained(step, stage))
        if stage < len(stages):
            summary.add(float(step), removed(step, stage + 1))
    return summary


def test_a_fixed_schedule_is_uncertain_in_its_pace_alone() -> None:
    summary = run(config(curriculum=LINEAR, train={"steps_after_removal": 100}), [], after=9)
    found, end = until_all_removed(summary), until_end(summary)
    assert found is not None and found.steps == (71, 71)
    assert found.seconds[0] < 71 < found.seconds[1] < 90
    assert end is not None and end.steps == (171, 171)


def test_before_some_stages_have_passed_nothing_is_told_of_a_schedule_that_waits() -> None:
    settings = config(curriculum=GATED, train={"steps_after_removal": 100})
    assert until_all_removed(run(settings, [])) is None
    assert until_all_removed(run(settings, [100])) is None
    assert "at most" in time_left(run(settings, [100]))


def test_the_stages_so_far_say_how_long_the_others_may_take() -> None:
    settings = config(curriculum=GATED, train={"steps_after_removal": 100})
    found = until_all_removed(run(settings, [100, 110, 90, 105]))
    assert found is not None
    left = (MOST - 4) * 100
    assert found.steps[0] < left < found.steps[1] < 3 * found.steps[0]
    calm, wild = (until_all_removed(run(settings, [100, *each, 100])) for each in ([100], [380]))
    assert calm is not None
    assert wild is None or wild.steps[1] / wild.steps[0] > calm.steps[1] / calm.steps[0]


def test_removals_of_a_share_are_as_many_stages_as_there_are_removals_left() -> None:
    settings = config(curriculum=GATED | {"remove_share": 0.5}, train={"steps_after_removal": 100})
    summary = RunSummary(settings)
    summary.add(0.0, STARTED)
    step = stage = 0
    for after in (4, 6, 7):
        for _ in range(100):
            step += 1
            summary.add(float(step), trained(step, stage))
        summary.add(float(step), replace(removed(step, after), before=stage))
        stage = after
    found = until_all_removed(summary)  # one token, after about 100 steps as those before
    assert found is not None and found.steps[0] < 100 < found.steps[1] < 300


def test_the_range_keeps_within_what_the_schedule_allows() -> None:
    settings = config(curriculum=GATED | {"max_steps": 110}, train={"steps_after_removal": 100})
    summary = run(settings, [100] * 5)
    found, bounds = until_all_removed(summary), summary.removal_bounds()
    assert found is not None and bounds is not None and bounds[1] is not None
    step = summary.metrics.step
    assert bounds[0] - step <= found.steps[0] <= found.steps[1] <= bounds[1] - step


def test_a_run_that_ends_before_all_is_removed_promises_nothing() -> None:
    settings = config(curriculum=LINEAR, train={"max_steps": 20})
    assert until_all_removed(run(settings, [], after=9)) is None
    end = until_end(run(settings, [], after=9))
    assert end is not None and end.steps == (11, 11)


def test_a_range_that_tells_nothing_is_not_told() -> None:
    for stages in ([20, 400, 20, 400], [20, 20, 400], [100, 100]):
        found = until_all_removed(run(config(curriculum=GATED, train={"max_steps": 9999}), stages))
        assert found is None or found.seconds[1] <= WIDEST * max(1, found.seconds[0])


def test_a_run_that_may_end_by_what_it_learns_ends_with_an_evaluation_at_the_earliest() -> None:
    settings = config(
        train={"max_steps": 60, "target_accuracy": 0.9}, evaluation={"every_steps": 30}
    )
    end = until_end(run(settings, [1] * MOST, after=2))
    assert end is not None and end.steps == (20, 50)


def test_nothing_is_told_of_a_run_that_waits_or_has_ended() -> None:
    for event in (
        Paused(step=10, reason="by command"),
        RunEnded(step=10, reason="stopped", finished=False),
    ):
        summary = run(config(curriculum=LINEAR), [], after=9)
        summary.add(20.0, event)
        assert time_left(summary) == "" and until_all_removed(summary) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [((200, 500), "3 to 8 min"), ((40, 130), "40 s to 2 min"), ((181, 182), "about 3 min"),
     ((4, 9), "4 to 9 s"), ((1000, 8000), "17 min to 2 h 10 min")],
)  # fmt: skip
def test_ranges_in_words(seconds: tuple[float, float], text: str) -> None:
    assert rough_range(*seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.001, "<1%"), (0.006, "1%"), (0.5, "50%"), (0.997, ">99%"), (1.0, "100%")],
)
def test_a_whole_share_is_all_or_nothing_only_where_it_is(share: float, text: str) -> None:
    assert whole_share(share) == text
