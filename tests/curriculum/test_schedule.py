"""Schedules and smoothing without a model."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.schedule import (
    ALL,
    Beyond,
    Fixed,
    Linear,
    LossGated,
    Share,
    Stages,
    build_schedule,
    clock_of,
    removals,
)
from icot_tui.curriculum.smoothing import Smoothing, offset_distribution


def run(curriculum: Curriculum, losses: list[float], observe_every: int = 1) -> list[int]:
    """The stage of each step."""
    stages = []
    pending: list[float] = []
    for loss in losses:
        curriculum.begin_step()
        stages.append(curriculum.stage)
        curriculum.end_step(curriculum.implicit)
        pending.append(loss)
        if len(pending) == observe_every:
            curriculum.add_losses(pending)
            pending = []
    return stages


def test_gate_opens_only_when_the_stage_is_learnt():
    schedule = LossGated(gate_loss=0.5, min_steps=3, max_steps=None)
    curriculum = Curriculum(schedule, 3, gate_window=2)
    stages = run(curriculum, [1.0] * 6 + [0.1] * 14)
    # Learnt after two low losses (steps 6 and 7); then the window restarts at each removal.
    assert stages == [0] * 8 + [1] * 3 + [2] * 3 + [3] * 6


def test_every_schedule_says_what_follows_a_stage():
    assert Linear(10).following(3) == 4 and Fixed(2).following(2) == 2
    assert LossGated(gate_loss=0.5, min_steps=3, max_steps=5).following(0) == 1
    spans = Stages(((0, 5), (3, 5), (8, 1)))
    assert [spans.following(stage) for stage in (0, 3, 8)] == [3, 8, 8]
    beyond = Beyond(Linear(10), 4)
    assert [beyond.following(stage) for stage in (2, 3)] == [3, ALL]
    curriculum = Curriculum(beyond, 6)
    assert curriculum.following_stage == 1
    curriculum.stage = 3
    assert curriculum.following_stage == 6
    curriculum.stage = 6
    assert curriculum.following_stage == 6


def test_a_list_of_stages_goes_on_from_one_that_is_not_in_it():
    curriculum = Curriculum(Stages(((0, 4), (3, 2), (8, 1))), 9)
    curriculum.advance()
    assert run(curriculum, [1.0] * 9) == [1] * 4 + [3] * 2 + [8] * 3
    early = Curriculum(Stages(((2, 3), (4, 1))), 9)
    early.stage = 1  # begun with another list
    assert run(early, [1.0] * 5) == [2] * 3 + [4] * 2


def test_a_share_of_what_is_left_goes_at_each_removal():
    half = Share(Linear(steps_per_token=2), 0.5, most=8)
    assert removals(half, 0, 8) == [4, 6, 7, 8] and clock_of(half) == Linear(2)
    assert run(Curriculum(half, 8), [1.0] * 9) == [0, 0, 4, 4, 6, 6, 7, 7, 8]
    gated = Share(LossGated(gate_loss=0.5, min_steps=2, max_steps=None), 1.0, most=8)
    assert run(Curriculum(gated, 8, gate_window=2), [1.0] * 3 + [0.1] * 4) == [0] * 5 + [8] * 2


@given(st.integers(1, 2000), st.floats(0.01, 1.0))
def test_the_number_of_removals_grows_like_the_logarithm_of_the_length(most, share):
    left, stages = most, removals(Share(Linear(1), share, most), 0, most)
    for stage in stages:
        assert left - (most - stage) == max(1, round(share * left))
        left = most - stage
    assert left == 0  # and never less
    assert len(stages) <= 1 + 2 / share + 2 * math.log(most) / share


def test_a_share_is_of_what_is_left_until_all_of_the_rest_goes():
    config = CurriculumConfig(remove_per_epoch=1, remove_share=0.5, remove_all_beyond=9)
    schedule = build_schedule(config, 10, 40)
    assert removals(schedule, 0, 40) == [4, 6, 8, ALL]
    assert removals(build_schedule(config, 10, 6), 0, 6) == [3, 5, 6]
    with pytest.raises(ValidationError, match="whose list says what each removal takes"):
        CurriculumConfig(schedule="stages", stages=[{"stage": 0, "steps": 1}], remove_share=0.5)


def test_gate_opens_when_overdue():
    schedule = LossGated(gate_loss=0.5, min_steps=3, max_steps=5)
    assert run(Curriculum(schedule, 2, gate_window=2), [9.0] * 12) == [0] * 5 + [1] * 5 + [2] * 2


def test_pace_slows_every_schedule_down():
    curriculum = Curriculum(Linear(steps_per_token=2), 5)
    curriculum.slow_down(2.0)
    assert run(curriculum, [1.0] * 9) == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_fixed_list():
    schedule = Stages(((0, 2), (4, 3), (9, 1)))
    assert run(Curriculum(schedule, 9), [1.0] * 8) == [0, 0, 4, 4, 4, 9, 9, 9]


def test_no_cot_and_explicit_never_change():
    assert run(Curriculum(Fixed(ALL), 7), [0.0] * 3) == [7, 7, 7]
    assert run(Curriculum(Fixed(0), 7), [0.0] * 3) == [0, 0, 0]


def test_held_schedule_waits_and_commands_do_not():
    curriculum = Curriculum(Linear(steps_per_token=2), 9)
    curriculum.held = True
    assert run(curriculum, [1.0] * 4) == [0] * 4
    curriculum.advance(3)
    assert curriculum.due() and curriculum.cause == "by command"
    assert run(curriculum, [1.0] * 2) == [3, 3]
    curriculum.held = False
    assert run(curriculum, [1.0] * 5) == [3, 3, 4, 4, 5]


def test_a_hold_ends_when_everything_is_removed():
    curriculum = Curriculum(Linear(steps_per_token=2), 9)
    curriculum.held = True
    curriculum.advance(9)
    assert run(curriculum, [1.0] * 4) == [9] * 4
    assert not curriculum.held and curriculum.steps_at_stage == 4


def test_no_reset_once_a_whole_batch_was_implicit():
    curriculum = Curriculum(Linear(steps_per_token=1), 5)
    curriculum.end_step(batch_was_implicit=False)
    assert curriculum.begin_step().resets_optimizer
    curriculum.end_step(batch_was_implicit=True)
    assert not curriculum.begin_step().resets_optimizer


def test_state_goes_on_exactly():
    config = CurriculumConfig(schedule="loss_gated", gate_loss=0.5, gate_window=3, min_steps=2)
    losses = (np.random.default_rng(0).random(200) * 1.2).tolist()
    for cut in range(0, 200, 7):
        one = Curriculum(build_schedule(config, 10), 20, config.gate_window)
        whole = run(one, losses)
        first = Curriculum(build_schedule(config, 10), 20, config.gate_window)
        beginning = run(first, losses[:cut])
        second = Curriculum(build_schedule(config, 10), 20, config.gate_window)
        second.restore(first.state())
        assert beginning + run(second, losses[cut:]) == whole


def test_smoothing_distribution():
    probabilities = offset_distribution(4.0)
    assert probabilities[0] == pytest.approx(0.98, abs=0.002)
    assert probabilities[1] / probabilities[0] == pytest.approx(math.exp(-4))
    assert len(probabilities) == 100
    assert probabilities.sum() == pytest.approx(1)
    assert offset_distribution(1e-3)[99] > offset_distribution(1e-3)[98]  # the tail's mass
    assert offset_distribution(math.inf).tolist() == [1.0] + [0.0] * 99


def test_smoothing_draws_what_the_distribution_says():
    smoothing = Smoothing(1.0, seed=0)
    drawn = np.concatenate([smoothing.offsets(step, 1000) for step in range(50)])
    shares = np.bincount(drawn, minlength=100)[:100] / len(drawn)
    assert np.abs(shares - offset_distribution(1.0)).max() < 0.01
    assert (smoothing.offsets(7, 5) == Smoothing(1.0, seed=0).offsets(7, 5)).all()
    assert not Smoothing(math.inf, seed=0).offsets(3, 1000).any()
