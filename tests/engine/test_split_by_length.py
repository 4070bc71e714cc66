"""Rows of alike lengths are padded apart: less padding, the same losses and gradients."""

import copy

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from icot_tui.config.sections import DataConfig
from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.data.load import load_data
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.loop import build
from icot_tui.engine.loop.optimizers import SkippingAdamW
from icot_tui.engine.loop.update import Padding, Update, _borders
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM
from tests.families.configs import tiny_model
from tests.tiny import assert_same, final_tensors, tiny, train, train_new

MIXED = {"options": {"digits": "1-5x1-5"}, "train_examples": 200}
SPARED = 40


@pytest.fixture(scope="module")
def data():
    return load_data(DataConfig(task="multiplication", validation_examples=20, **MIXED))


def batch_of(data, rows, stage=0):
    return remove(data.train, np.arange(rows), stage, RemovalPlan(), data.separator_id)


def test_a_part_begins_where_that_spares_most():
    assert _borders(np.array([100, 99, 10, 9, 9]), 50) == [0, 2, 5]
    assert _borders(np.array([100, 50, 50, 10]), 40) == [0, 1, 3, 4]
    assert _borders(np.array([100, 50, 50, 10]), 500) == [0, 4]
    assert _borders(np.array([7, 7, 7]), 1) == [0, 3]


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 9])
def test_parts_hold_each_row_once_with_less_padding(data, stage):
    batch = batch_of(data, 32, stage)
    parts = Padding(1, 500, data.separator_id, SPARED).parts(batch)
    assert sorted(np.concatenate([part.index for part in parts])) == list(range(32))
    assert sum(part.supervised_tokens for part in parts) == batch.supervised_tokens
    assert len(parts) > 2
    assert sum(part.ids.size for part in parts) < 0.7 * batch.ids.size
    for part in parts:
        assert part.ids.shape[1] == part.lengths.max()
        for ids, index, length in zip(part.ids, part.index, part.lengths, strict=True):
            assert np.array_equal(ids[:length], batch.ids[index, :length])


@pytest.mark.parametrize("micro_batch_size", [None, 12])
def test_losses_and_weights_are_the_same(data, micro_batch_size):
    section = tiny(model={"dropout": 0.0}).model
    lm = build_model(section, len(data.tokenizer), data.separator_id, data.train.max_length, 0)
    config = tiny(train={"batch_size": 32, "micro_batch_size": micro_batch_size}).train
    found = []
    for saved in (None, SPARED):
        objective = SupervisedLM(copy.deepcopy(lm))
        update = Update(
            objective=objective,
            optimizer=SkippingAdamW(list(objective.parameters()), config),
            accelerator=Accelerator(cpu=True),
            config=config,
            padding=Padding(1, data.train.max_length, data.separator_id, saved),
        )
        steps = [update(batch_of(data, 32, stage), 1e-3) for stage in (0, 3)]
        passes = len(update._micro_batches(batch_of(data, 32)))
        found.append((steps, objective.state_dict(), passes))
    (steps, weights, few), (parted_steps, parted_weights, many) = found
    assert many > few
    torch.testing.assert_close(parted_steps, steps, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parted_weights, weights, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_run_of_mixed_lengths_resumes_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr("icot_tui.engine.loop.build.SPARED", SPARED)
    limits = {"max_steps": 10, "decay_steps": 0, "batch_size": 16, "micro_batch_size": None}
    config = tiny(data=MIXED, train=limits, curriculum={"first_stage": 2})
    whole = train_new(tmp_path / "whole", config)
    parted = train_new(tmp_path / "parted", config)
    for checkpoint in list_checkpoints(parted.checkpoints)[1:]:
        for path in checkpoint.path.iterdir():
            path.unlink()
        checkpoint.path.rmdir()
    train(parted)
    assert_same(final_tensors(whole), final_tensors(parted))


def test_compiled_batches_are_not_split():
    with pytest.raises(ValueError, match="more padded shapes"):
        tiny(train={"compile": True, "split_by_length": True})


def test_a_loss_that_depends_on_the_whole_batch_is_not_split():
    balanced = {"output_router_logits": True, "router_aux_loss_coef": 0.5}
    for family, options, spared in (("mixtral", {}, build.SPARED), ("mixtral", balanced, None)):
        objective = SupervisedLM(tiny_model(family, **options))
        assert build._spared(tiny().train, Accelerator(cpu=True), objective) == spared
