"""ICoT-KD in the engine: four trainings that follow each other."""

import os
from contextlib import contextmanager

import numpy as np
import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from icot_tui.config.loading import dump_toml
from icot_tui.curriculum.removal import Batch
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.update import _empty
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.distillation import TITLES
from icot_tui.methods.distillation.checkpoints import open_emulator
from icot_tui.methods.distillation.trainings import Distiller
from tests.engine.ranks import run_ranks
from tests.families.configs import tiny_model
from tests.methods.distillation.runs import all_tensors, distilled, lines_of
from tests.tiny import assert_same, train_new


@pytest.mark.slow
def test_four_trainings_follow_each_other(whole):
    assert [line["phase"] for line in lines_of(whole, "PhaseBegan")] == list(TITLES)
    assert [line["phase"] for line in lines_of(whole, "PhaseEnded")] == list(TITLES)[:3]
    assert [line["step"] for line in lines_of(whole, "PhaseBegan")] == [0, 6, 12, 18]
    assert lines_of(whole, "RunEnded")[0]["finished"]
    assert len(lines_of(whole, "RunStarted")) == 1
    # Each is evaluated at its own 4th step and at its end.
    assert [line["step"] for line in lines_of(whole, "Evaluated")] == [4, 6, 10, 12, 16, 18, 22, 24]


@pytest.mark.slow
def test_each_loss_falls(tmp_path):
    """Even in a few dozen steps."""
    config = distilled(
        train={"max_steps": 40, "decay_steps": 0, "warmup_steps": 0},
        checkpoints={"every_steps": None},
        model={"layers": 2, "dropout": 0.0},
    )
    folder = train_new(tmp_path, config)
    losses = [loss for line in lines_of(folder, "StepsTrained") for loss in line["losses"]]
    for number in range(4):
        of_phase = losses[40 * number : 40 * (number + 1)]
        assert np.mean(of_phase[-8:]) < np.mean(of_phase[:4])


@pytest.mark.slow
def test_stored_and_recomputed_thoughts_train_alike(whole, tmp_path):
    section = {"mixture_components": 2, "stored_gigabytes": 0.0}
    folder = train_new(tmp_path, distilled(distillation=section))
    assert not lines_of(folder, "ThoughtsStored")
    assert lines_of(whole, "ThoughtsStored")
    for ours, theirs in zip(
        lines_of(folder, "StepsTrained"), lines_of(whole, "StepsTrained"), strict=True
    ):
        assert ours["losses"] == pytest.approx(theirs["losses"], rel=1e-3)


@pytest.mark.slow
def test_micro_batches_change_nothing(whole, tmp_path):
    folder = train_new(
        tmp_path, distilled(train={"micro_batch_size": None}, model={"layers": 2, "dropout": 0.0})
    )
    other = train_new(
        tmp_path, distilled(train={"micro_batch_size": 5}, model={"layers": 2, "dropout": 0.0})
    )
    for ours, theirs in zip(
        lines_of(folder, "StepsTrained"), lines_of(other, "StepsTrained"), strict=True
    ):
        assert ours["losses"] == pytest.approx(theirs["losses"], rel=2e-3)


@pytest.mark.slow
def test_a_frozen_emulator_stays_as_it_is(tmp_path):
    section = {"freeze_emulator": True, "mixture_components": 2}
    folder = train_new(tmp_path, distilled(distillation=section))
    (chosen,) = [
        line["checkpoint"] for line in lines_of(folder, "PhaseEnded") if line["phase"] == "emulator"
    ]
    last = list_checkpoints(folder.checkpoints)[-1].path
    before = open_emulator(folder.checkpoints / chosen).state_dict()
    assert_same(open_emulator(last).state_dict(), before)


@pytest.mark.slow
@pytest.mark.parametrize("subset", ["first_column", "last_column", "top_row", "bottom_row"])
def test_every_subset_trains(tmp_path, subset):
    section = {"subset": subset, "delta": 3.0 if subset == "top_row" else None, "start": "teacher"}
    folder = train_new(tmp_path, distilled(distillation=section, train={"max_steps": 2}))
    assert lines_of(folder, "RunEnded")[0]["finished"]


@pytest.mark.slow
def test_other_decoder_families(tmp_path):
    folder = train_new(
        tmp_path,
        distilled(
            model={"layers": 2, "architecture": "llama"}, train={"max_steps": 3},
            checkpoints={"every_steps": None},
        ),
    )  # fmt: skip
    assert lines_of(folder, "RunEnded")[0]["finished"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mpt", "modernbert-decoder"])
def test_families_whose_configs_insist_on_something(tmp_path, family):
    """On whole numbers for a dropout, on a pad token."""
    tiny_model(family).save_pretrained(tmp_path / "model")
    model = {"pretrained": str(tmp_path / "model"), "dropout": None}
    config = distilled(model=model, train={"max_steps": 2}, checkpoints={"every_steps": None})
    assert lines_of(train_new(tmp_path / "runs", config), "RunEnded")[0]["finished"]


@pytest.mark.parametrize("family", ["gemma3n_text", "hrm_text"])
def test_families_whose_blocks_cannot_be_read_are_refused_before_the_first_step(tmp_path, family):
    tiny_model(family).save_pretrained(tmp_path / "model")
    model = {"pretrained": str(tmp_path / "model"), "dropout": None}
    with pytest.raises(UserError, match=r"do not hand on one state a token|were not found"):
        train_new(tmp_path / "runs", distilled(model=model))
    assert lines_of(RunFolder(tmp_path / "runs" / "tiny"), "StepsTrained") == []


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"phases": ["student"]}, "needs the phase 'teacher'"),
        ({"phases": ["student", "teacher"]}, "in this order"),
        ({"delta": float("inf")}, "finite number"),
        ({"mixture_components": 10**12}, "less than or equal to 65536"),
        ({"from_teacher": "x"}, "either distillation.from_teacher"),
        ({"teacher": {"epochs": 1, "decay_steps": 3}}, "distillation.teacher: train.decay_steps"),
    ],
)
def test_mistakes_in_the_section(section, message):
    with pytest.raises(ValueError, match=message):
        distilled(distillation=section)


def test_a_teacher_needs_an_end_that_comes_without_removals():
    train = {"steps_after_removal": 3, "max_steps": None, "decay_steps": 0, "warmup_steps": 0}
    with pytest.raises(ValueError, match="for ever"):
        distilled(train=train)
    distilled(train=train, distillation={"teacher": {"epochs": 1}})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_are_one(tmp_path):
    """Even where one of them has no row of a micro-batch."""
    config = distilled(
        model={"layers": 2, "dropout": 0.0},
        train={"micro_batch_size": 1, "batch_size": 5},
        checkpoints={"every_steps": None},
    )
    alone = train_new(tmp_path / "one", config)
    (tmp_path / "config.toml").write_text(dump_toml(config))
    run_ranks("train", str(tmp_path / "config.toml"), "--runs", str(tmp_path / "two"), "-q")
    together = type(alone)(tmp_path / "two" / "tiny")
    assert lines_of(together, "RunEnded")[0]["finished"]
    for ours, theirs in zip(
        lines_of(together, "StepsTrained"), lines_of(alone, "StepsTrained"), strict=True
    ):
        assert ours["losses"] == pytest.approx(theirs["losses"], rel=1e-3)


@pytest.mark.slow
def test_evaluating_changes_nothing_of_a_pretrained_models_trainings(tmp_path):
    """Its own dropout must not come back with the end of an evaluation."""
    sizes = {"vocab_size": 40, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2}
    GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(tmp_path / "base")
    losses = []
    for every_steps in (2, 1000):
        config = distilled(
            model={"pretrained": str(tmp_path / "base"), "dropout": None},
            checkpoints={"every_steps": None, "keep_best": False},
        )
        evaluation = config.evaluation.model_copy(update={"every_steps": every_steps})
        config = config.model_copy(update={"evaluation": evaluation})
        folder = train_new(tmp_path / str(every_steps), config)
        assert len({line["checkpoint"] for line in lines_of(folder, "PhaseEnded")}) == 3
        losses.append([line["losses"] for line in lines_of(folder, "StepsTrained")])
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_examples_left_out_of_every_training_are_told(tmp_path):
    data = {
        "task": "multiplication", "options": {"digits": "2x1,2x2"}, "train_examples": 90,
        "max_length": 20,
    }  # fmt: skip
    folder = train_new(
        tmp_path,
        distilled(data=data, train={"max_steps": 2, "batch_size": 3, "decay_steps": 0}),
    )
    told = [line["message"] for line in lines_of(folder, "Warned")]
    assert any("left out of every training" in message for message in told)
    assert lines_of(folder, "RunStarted")[0]["train_examples"] < 90


@pytest.mark.slow
def test_comparing_thoughts_is_no_training_time(tmp_path, monkeypatch):
    clock_stopped, errors, stopped = Trainer.clock_stopped, Distiller._errors, []

    @contextmanager
    def noted(trainer):
        with clock_stopped(trainer):
            stopped.append(True)
            yield
            stopped.pop()

    asked = []

    def compared(*arguments):
        asked.append(bool(stopped))
        return errors(*arguments)

    monkeypatch.setattr(Trainer, "clock_stopped", noted)
    monkeypatch.setattr(Distiller, "_errors", compared)
    train_new(tmp_path, distilled(checkpoints={"every_steps": None}))
    assert asked and all(asked)


def test_a_row_that_only_fills_up_has_its_separator_among_what_is_fed():
    ids = np.array([[3, 4, 0, 5, 6, 0], [3, 0, 5, 6, 7, 0]])
    lengths, prompts = np.array([6, 6]), np.array([3, 2])
    batch = Batch(
        ids=ids,
        positions=None,
        lengths=lengths,
        prompt_lengths=prompts,
        cot_lengths=np.array([-1, -1]),
        index=np.array([7, 8]),
        scheduled=np.array([0, 0]),
    )
    row = _empty(batch)
    fed, _, states, _ = row.model_inputs()
    assert not len(states)
    assert row.index.tolist() == [-1]
    assert fed[0, row.prompt_lengths[0] - 1] == 0 and row.prompt_lengths[0] == 3


@pytest.mark.slow
def test_thoughts_are_stored_where_room_cannot_be_claimed(whole, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)  # as on macOS
    folder = train_new(tmp_path, distilled())
    assert_same(all_tensors(folder), all_tensors(whole))
