"""Every training example at a stage of its own: schedule "mastery"."""

import base64
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.mastery import ExampleStages, _after_removal
from icot_tui.curriculum.schedule import (
    Mastery,
    StageProgress,
    after_removal,
    build_schedule,
    clock_of,
)
from icot_tui.errors import UserError
from tests.tiny import tiny

MASTERY = {"schedule": "mastery", "keep_positions": True}


def schedule(most: int = 8, **values) -> Mastery:
    built = clock_of(build_schedule(CurriculumConfig(**MASTERY, **values), 10, most))
    assert isinstance(built, Mastery)
    return built


def learn(stages: ExampleStages, *examples: int, scheduled: int = 100) -> None:
    index = np.array(examples, dtype=np.int64)
    stages.learn(index, np.full(len(index), scheduled))


def test_an_example_rises_by_one_whenever_it_is_learnt_at_its_stage():
    stages = ExampleStages(np.full(4, 3), schedule(3), 3)
    learn(stages, 0, 2)
    learn(stages, 2)
    assert stages.of(np.arange(4)).tolist() == [1, 0, 2, 0]
    learn(stages, 2, scheduled=1)  # trained with less removed than its stage says by now
    assert stages.of(np.arange(4)).tolist() == [1, 0, 2, 0]
    learn(stages, 2)
    assert stages.of(np.array([2])).tolist() == [3]
    assert stages.counts.tolist() == [2, 1, 0, 1]


def test_an_example_without_anything_left_is_at_the_greatest_stage():
    stages = ExampleStages(np.array([0, 2, 6]), schedule(6), 6)
    assert stages.of(np.arange(3)).tolist() == [6, 0, 0]
    learn(stages, 1)
    learn(stages, 1)
    assert stages.of(np.arange(3)).tolist() == [6, 6, 0]
    beyond = ExampleStages(np.array([8, 8]), schedule(8, remove_all_beyond=2), 8)
    learn(beyond, 0)
    learn(beyond, 0)
    assert beyond.of(np.arange(2)).tolist() == [8, 0]


def test_a_share_is_taken_of_what_is_left_of_the_example_itself():
    stages = ExampleStages(np.array([8, 4]), schedule(remove_share=0.5), 8)
    seen = []
    for _ in range(4):
        learn(stages, 0, 1)
        seen.append(stages.of(np.arange(2)).tolist())
    assert seen == [[4, 2], [6, 3], [7, 8], [8, 8]]


@given(st.integers(0, 500), st.integers(0, 500), st.none() | st.floats(0.01, 1, exclude_min=True))
def test_many_removals_at_once_are_what_each_one_is(stage, left, share):
    one = after_removal(stage, stage + left, share)
    many = _after_removal(np.array([stage] * 3), np.array([stage + left] * 3), share)
    assert many.tolist() == [one] * 3


@given(st.data())
def test_the_counts_and_what_nearly_all_have_mastered_follow_every_change(data):
    lengths = np.array(data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=40)))
    share = data.draw(st.sampled_from([None, 0.5, 1.0]))
    most = int(lengths.max())
    stages = ExampleStages(lengths, schedule(most, remove_share=share), most)
    every, lifted = np.arange(len(lengths)), 0
    for _ in range(data.draw(st.integers(0, 20))):
        before = stages.of(every)
        if data.draw(st.booleans()):
            chosen = data.draw(st.lists(st.sampled_from(every.tolist()), unique=True))
            learn(stages, *chosen)
        else:
            lifted = max(lifted, data.draw(st.integers(0, most)))
            stages.lift(lifted)
        now = stages.of(every)
        assert (now >= before).all() and now.min() >= lifted
        assert stages.counts.tolist() == np.bincount(now, minlength=most + 1).tolist()
        best = max(s for s in range(most + 1) if (now < s).sum() <= int(0.1 * len(now)))
        assert stages.mastered == best
        again = ExampleStages(lengths, schedule(most, remove_share=share), most)
        again.restore(stages.state())
        assert again.of(every).tolist() == now.tolist()
        assert again.counts.tolist() == stages.counts.tolist()


def test_the_stage_of_the_run_follows_nine_of_ten_examples_and_takes_the_rest_along():
    rule = schedule(min_steps=2)
    stages = ExampleStages(np.full(20, 8), rule, 8)
    curriculum = Curriculum(rule, 8, examples=stages)
    learn(stages, *range(17))
    curriculum.steps_at_stage = 2
    assert curriculum.begin_step() is None  # three of twenty are behind
    learn(stages, 17)
    curriculum.steps_at_stage = 1
    assert curriculum.begin_step() is None  # too early
    curriculum.steps_at_stage = 2
    change = curriculum.begin_step()
    assert change is not None and (change.before, change.after) == (0, 1)
    assert stages.counts.tolist() == [0, 20] + [0] * 7


def test_a_stage_lasts_no_longer_than_it_may_and_the_whole_split_goes_on():
    rule = schedule(min_steps=2, max_steps=5, remove_share=0.5)
    now = StageProgress(stage=0, steps_at_stage=5, smoothed_loss=None)
    assert rule.stage(now) == 4
    assert rule.stage(StageProgress(0, 4, None)) == 0
    assert rule.stage(StageProgress(0, 5, None, pace=2.0)) == 0
    assert rule.stage(StageProgress(0, 2, None, mastered=3)) == 3


def test_everything_is_removed_only_when_nothing_is_left_of_any_example():
    rule = schedule(min_steps=1)
    stages = ExampleStages(np.array([2, 2, 8]), rule, 8)
    curriculum = Curriculum(rule, 8, examples=stages)
    for _ in range(8):
        curriculum.steps_at_stage = 1
        learn(stages, 0, 1, 2)
        curriculum.begin_step()
        whole = stages.of(np.arange(3)).tolist() == [8, 8, 8]
        assert curriculum.implicit == whole


def test_by_hand_all_examples_are_lifted_and_on_hold_none_rises():
    rule = schedule(min_steps=1)
    stages = ExampleStages(np.full(4, 8), rule, 8)
    curriculum = Curriculum(rule, 8, examples=stages)
    learn(stages, 0)
    curriculum.advance(3)
    curriculum.begin_step()
    assert curriculum.stages_of(np.arange(4)).tolist() == [3, 3, 3, 3]
    assert curriculum.examples_rise
    curriculum.held = True
    assert not curriculum.examples_rise


def test_no_example_rises_while_the_first_stage_is_warmed_up():
    rule = schedule(warmup_epochs=2)  # twenty steps
    curriculum = Curriculum(rule, 8, examples=ExampleStages(np.full(4, 8), rule, 8))
    curriculum.steps_at_stage = 19
    assert not curriculum.examples_rise
    curriculum.steps_at_stage = 20
    assert curriculum.examples_rise


def test_stages_of_other_examples_are_refused():
    three = ExampleStages(np.full(3, 8), schedule(), 8).state()
    with pytest.raises(UserError, match="not those of these training examples"):
        ExampleStages(np.full(4, 8), schedule(), 8).restore(three)
    longer = ExampleStages(np.full(4, 9), schedule(9, first_stage=8), 9).state()
    with pytest.raises(UserError, match="not those of these training examples"):
        ExampleStages(np.full(4, 8), schedule(first_stage=8), 9).restore(longer)
    with pytest.raises(UserError, match="damaged"):
        ExampleStages(np.full(4, 8), schedule(), 8).restore("AAAA")


def test_no_more_is_unpacked_than_there_are_examples():
    """What is a megabyte packed may be a gigabyte."""
    packed = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    stages = ExampleStages(np.full(4, 8), schedule(), 8)
    tracemalloc.start()
    with pytest.raises(UserError, match="damaged"):
        stages.restore(packed)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_what_can_not_work_is_refused():
    with pytest.raises(ValidationError, match=r"needs curriculum\.keep_positions"):
        CurriculumConfig(schedule="mastery")
    with pytest.raises(ValidationError, match="keep_positions does not go with coconut"):
        tiny(
            method={"name": "coconut"},
            curriculum={"schedule": "mastery", "unit": "step", "smoothing": 4, "side": "left"}
            | {"keep_positions": True},
        )
