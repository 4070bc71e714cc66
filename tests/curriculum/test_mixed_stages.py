"""A share of each batch at a stage of its own: the budget of thought."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.smoothing import Smoothing


def test_without_mixing_all_have_the_scheduled_stage_and_their_offset():
    smoothing = Smoothing(4.0, seed=3)
    for step in range(50):
        expected = 5 + smoothing.offsets(step, 32)
        assert smoothing.scheduled(step, 5, np.arange(32)).tolist() == expected.tolist()


def test_a_share_gets_stages_drawn_evenly_up_to_the_scheduled_one():
    mixed = Smoothing(math.inf, seed=3, mixed_stages=0.5)
    stages = np.concatenate([mixed.scheduled(step, 4, np.arange(64)) for step in range(500)])
    shares = np.bincount(stages, minlength=5) / len(stages)
    assert shares[:4] == pytest.approx([0.1] * 4, abs=0.01)
    assert shares[4] == pytest.approx(0.6, abs=0.01)
    everything = Smoothing(math.inf, seed=3, mixed_stages=1.0)
    assert set(everything.scheduled(1, 3, np.arange(500))) == {0, 1, 2, 3}
    assert not everything.scheduled(1, 0, np.arange(500)).any()


def test_it_is_a_function_of_seed_and_step_and_leaves_the_offsets_alone():
    one, same, other = (Smoothing(1.0, seed, 0.5) for seed in (1, 1, 2))
    one.scheduled(0, 8, np.arange(32))  # asked before or not
    assert (
        one.scheduled(7, 8, np.arange(32)).tolist() == same.scheduled(7, 8, np.arange(32)).tolist()
    )
    assert (
        one.scheduled(7, 8, np.arange(32)).tolist() != other.scheduled(7, 8, np.arange(32)).tolist()
    )
    assert (
        one.scheduled(7, 8, np.arange(32)).tolist() != one.scheduled(8, 8, np.arange(32)).tolist()
    )
    assert one.offsets(7, 32).tolist() == Smoothing(1.0, 1).offsets(7, 32).tolist()


def test_the_prompt_must_tell_the_stages_apart():
    with pytest.raises(ValidationError, match=r"needs curriculum\.keep_positions"):
        CurriculumConfig(mixed_stages=0.3)
    assert CurriculumConfig(mixed_stages=0.3, keep_positions=True).mixed_stages == 0.3
    assert CurriculumConfig(mixed_stages=0.3, side="right").mixed_stages == 0.3


@pytest.mark.slow
def test_a_run_trains_with_it_and_resumes(tmp_path):
    import shutil

    from icot_tui.analysis.loaded_model import LoadedModel
    from icot_tui.analysis.model_cache import open_safely
    from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
    from tests.tiny import assert_same, final_tensors, tiny, train, train_new

    config = tiny(
        curriculum={
            "mixed_stages": 0.5,
            "keep_positions": True,
            "schedule": "linear",
            "remove_per_epoch": 10,
        },
        train={"max_steps": 12, "restart_warmup": False},
    )
    folder = train_new(tmp_path, config)
    model = LoadedModel(open_safely(folder.path))
    assert model.chooses_budget
    answer = model.ask("12*34", written=5)
    assert (answer.stage, answer.hidden) == (3, 3)
    assert not any("mixed stages" in note for note in answer.notes)
    before = final_tensors(folder)
    shutil.rmtree(list_checkpoints(folder.checkpoints)[-1].path)
    train(folder)
    assert_same(final_tensors(folder), before)
