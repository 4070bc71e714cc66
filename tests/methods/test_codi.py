"""CODI: thoughts through a projection, taught by the model itself; saved, asked, measured."""

import pytest
import torch

from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints, load_tensors
from icot_tui.errors import UserError
from icot_tui.methods.codi import PARTS
from icot_tui.runs.opening import open_checkpoint
from tests.methods.common import assert_measured_as_in_training, assert_resumes_exactly
from tests.tiny import assert_same, final_tensors, read_lines, tiny, train_new

K = 3


def distilled(**sections):
    own = {"thoughts": K} | sections.pop("codi", {})
    return tiny(method={"name": "codi"}, codi=own, **sections)


def parts_of(folder, at=-1):
    return load_tensors(list_checkpoints(folder.checkpoints)[at].path / PARTS)


@pytest.mark.slow
def test_a_run_resumes_exactly(tmp_path):
    assert_resumes_exactly(tmp_path, distilled(), PARTS)


@pytest.mark.slow
@pytest.mark.parametrize("projection", [True, False])
def test_a_run_trains_its_thoughts_and_can_be_asked_and_measured(tmp_path, projection):
    folder = train_new(tmp_path, distilled(codi={"projection": projection}))
    before, after = parts_of(folder, 0), parts_of(folder)
    assert any("project" in name for name in after) == projection
    assert all(not torch.equal(before[name], after[name]) for name in after)
    answer = LoadedModel(open_checkpoint(folder.path)).ask("12*34")
    assert answer.expected == "408" and len(answer.latents) == K
    assert_measured_as_in_training(folder)


def test_batches_stay_whole_since_the_loss_is_no_sum_over_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("icot_tui.engine.loop.build.SPARED", 1)

    def run(name, divided):
        limits = {"max_steps": 3, "decay_steps": 0, "micro_batch_size": None}
        options = {"options": {"digits": "1-3x1-3"}}
        config = distilled(data=options, train=limits | {"split_by_length": divided})
        return final_tensors(train_new(tmp_path / name, config))

    assert_same(run("default", None), run("whole", False))
    with pytest.raises(UserError, match="no sum over rows"):
        run("divided", True)


def test_the_teacher_reads_chains_beyond_the_longest_row(tmp_path):
    """The limit is of rows after removal, which the student's are."""
    limits = {"max_steps": 1, "decay_steps": 0, "batch_size": 50}
    data = {"options": {"digits": "1-3x1-3"}, "validation_examples": 1, "max_length": 20}
    folder = train_new(tmp_path, distilled(data=data, train=limits))
    step = next(line for line in read_lines(folder) if line["event"] == "StepsTrained")
    assert step["losses"][0] > 0 and step["dropped_rows"] == 0


def test_what_does_not_go_with_it_is_refused():
    with pytest.raises(ValueError, match="does not go with codi: leave it out"):
        distilled(train={"compile": True})
