"""ICoT-KD in the engine: four trainings of one run, each resumed exactly."""

import json
import os
import shutil
import signal
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from icot_tui.cli.app import run as call
from icot_tui.config import RunConfig
from icot_tui.config.loading import dump_toml
from icot_tui.curriculum.removal import Batch
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints, load_tensors
from icot_tui.engine.journal.events import CheckpointSaved, PhaseBegan, PhaseEnded
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.loop.run_state import Best
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.update import _empty
from icot_tui.errors import UserError
from icot_tui.methods.distillation import TITLES
from icot_tui.methods.distillation.checkpoints import find_outcome, open_emulator, open_student
from icot_tui.methods.distillation.trainings import Distiller
from icot_tui.runs.opening import open_checkpoint
from tests.engine.ranks import run_ranks
from tests.forked import start_forked
from tests.tiny import assert_same, news, read_lines, tiny, train, train_new

STEPS = 6


def distilled(**sections) -> RunConfig:
    """The tiny config as a run of four short trainings."""
    sections = {
        "method": {"name": "distillation"},
        "distillation": {"mixture_components": 2},
        "model": {"layers": 2},
        "checkpoints": {"keep": 1000, "every_steps": 1},
    } | sections
    limits = {"max_steps": STEPS, "decay_steps": 2, "warmup_steps": 1}
    sections["train"] = limits | sections.get("train", {})
    sections["evaluation"] = {"every_steps": 4, "samples": 4}
    return tiny(**sections)


def all_tensors(folder):
    """Everything in the newest checkpoint."""
    path = list_checkpoints(folder.checkpoints)[-1].path
    found = {}
    for file in sorted(path.rglob("*.safetensors")):
        prefix = str(file.relative_to(path))
        found |= {f"{prefix}/{name}": value for name, value in load_tensors(file).items()}
    return found


def last_state(folder):
    state = list_checkpoints(folder.checkpoints)[-1].state()
    state["run"].pop("seconds")
    return state


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train_new(tmp_path_factory.mktemp("whole"), distilled())


def lines_of(folder, event):
    return [line for line in read_lines(folder) if line["event"] == event]


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
def test_each_ends_with_its_chosen_checkpoint(whole):
    names = [checkpoint.name for checkpoint in list_checkpoints(whole.checkpoints)]
    for ended in lines_of(whole, "PhaseEnded"):
        assert ended["checkpoint"] in names
    assert last_state(whole)["run"]["outcomes"] == {
        ended["phase"]: ended["checkpoint"] for ended in lines_of(whole, "PhaseEnded")
    }


def test_the_emulator_is_chosen_by_its_distance_from_the_teacher(whole):
    compared = {line["step"]: line["loss"] for line in lines_of(whole, "ThoughtsCompared")}
    best = min(compared, key=lambda step: compared[step])
    (ended,) = [line for line in lines_of(whole, "PhaseEnded") if line["phase"] == "emulator"]
    assert ended["checkpoint"] == f"step-{best:08d}-3-emulator"
    for line in lines_of(whole, "ThoughtsCompared"):
        assert len(line["blocks"]) == 2
        assert sum(line["blocks"]) == pytest.approx(line["loss"])


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
@pytest.mark.parametrize("step", [0, 5, 6, 9, 12, 15, 18, 23])
def test_resume_at_any_training(whole, tmp_path, step):
    shutil.copytree(whole.path, tmp_path / "copy", ignore=shutil.ignore_patterns("lock"))
    folder = type(whole)(tmp_path / "copy")
    # At a border two checkpoints are of the same step; the later training's may be missing.
    for checkpoint in list_checkpoints(folder.checkpoints)[border_index(folder, step) :]:
        shutil.rmtree(checkpoint.path)
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))
    assert last_state(folder) == last_state(whole)
    assert news(folder, ("ThoughtsStored",)) == news(whole, ("ThoughtsStored",))


def border_index(folder, step):
    steps = [checkpoint.step for checkpoint in list_checkpoints(folder.checkpoints)]
    return steps.index(step) + 1 if step in steps else sum(s <= step for s in steps)


@pytest.mark.slow
@pytest.mark.parametrize("phase", list(TITLES)[1:])
def test_stop_as_a_training_begins(whole, tmp_path, phase):
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, PhaseBegan) and event.phase == phase:
            commands.put(Stop())

    folder = train_new(tmp_path, distilled(), commands, listen)
    assert not read_lines(folder)[-1]["finished"]
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))
    left_out = ("CheckpointSaved", "CommandDone", "RunEnded", "ThoughtsStored")
    assert news(folder, left_out) == news(whole, left_out)


def train_and_die(runs, saved):
    """A run whose process kills itself once it has saved more than so many checkpoints."""
    seen = []

    def listen(event):
        seen.append(isinstance(event, CheckpointSaved))
        if sum(seen) > saved:
            os.kill(os.getpid(), signal.SIGKILL)

    train_new(runs, distilled(), listen=listen)


@pytest.mark.slow
@pytest.mark.parametrize("saved", [2, 8, 14, 20])
def test_kill_in_every_training(whole, tmp_path, saved):
    process = start_forked(train_and_die, tmp_path, saved)
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    folder = type(whole)(tmp_path / "tiny")
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))
    assert news(folder, ("ThoughtsStored",)) == news(whole, ("ThoughtsStored",))


@pytest.mark.slow
def test_trainings_one_by_one_are_those_of_one_run(whole, tmp_path):
    """With what an earlier run left."""
    from_whole = {
        "phases": ["coupled"],
        "from_student": str(whole.path),
        "from_emulator": str(whole.path),
        "mixture_components": 2,
    }
    folder = train_new(tmp_path, distilled(distillation=from_whole))
    ours, theirs = all_tensors(folder), all_tensors(whole)
    assert ours.keys() == theirs.keys()
    only = {"phases": ["student", "emulator"], "from_teacher": str(whole.path)}
    folder = train_new(tmp_path, distilled(distillation=only | {"mixture_components": 2}))
    chosen = lines_of(folder, "PhaseEnded")[0]["checkpoint"]
    (theirs_chosen,) = [
        line["checkpoint"] for line in lines_of(whole, "PhaseEnded") if line["phase"] == "student"
    ]
    one = open_student(folder.checkpoints / chosen).state_dict()
    assert_same(one, open_student(whole.checkpoints / theirs_chosen).state_dict())


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


def test_a_fresh_pair_opens_from_its_run(whole):
    opened = open_checkpoint(whole.path)
    assert opened.answer_only
    ids = torch.tensor([[0, 1, 2, opened.tokenizer.eos_token_id]])
    with torch.no_grad():
        assert opened.model(ids).logits.shape[:2] == (1, 4)


def test_part_of_a_pair_cannot_answer(whole):
    student = next(one for one in list_checkpoints(whole.checkpoints) if one.phase == "2-student")
    with pytest.raises(UserError, match="no emulator"):
        open_checkpoint(student.path)


def test_a_teacher_of_another_size_is_refused(whole, tmp_path):
    section = {"phases": ["student"], "from_teacher": str(whole.path)}
    with pytest.raises(UserError, match="they must be the same"):
        train_new(tmp_path, distilled(distillation=section, model={"layers": 1}))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"phases": ["student"]}, "needs the phase 'teacher'"),
        ({"phases": ["student", "teacher"]}, "in this order"),
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


def test_settings_are_readable(whole):
    last = list_checkpoints(whole.checkpoints)[-1].path
    settings = json.loads((last / "distillation.json").read_text())
    assert settings == {
        "student": {},
        "emulator": {"mixture_components": 2, "temperature": 0.05},
    }


def test_a_summary_foretells_the_end_and_starts_anew_with_each_training(whole):
    config = distilled()
    summary = RunSummary(config)
    ends = set()
    for time, event in JournalReader(whole.journal).events():
        summary.add(time, event)
        ends.add(summary.last_step())
        if isinstance(event, PhaseBegan):
            assert summary.metrics.best is None
            assert summary.metrics.phase == event
    assert ends <= {None, 24}
    assert 24 in ends


@pytest.mark.slow
def test_a_stop_is_heard_while_the_teachers_thoughts_are_stored(whole, tmp_path):
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, PhaseEnded) and event.phase == "teacher":
            commands.put(Stop())

    folder = train_new(tmp_path, distilled(), commands, listen)
    ended = read_lines(folder)[-1]
    assert (ended["step"], ended["finished"]) == (STEPS, False)
    assert "prepared" in ended["reason"]
    assert lines_of(folder, "CommandDone")
    assert not list((folder.path / "thoughts").glob("*"))
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))


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


def test_the_eval_command_finds_what_the_run_found(whole, capsys):
    assert call(["eval", str(whole.path), "--no-speed", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    last = lines_of(whole, "Evaluated")[-1]
    assert (found["exact_match"], found["examples"]) == (last["exact_match"], last["examples"])
    assert found["loss"] == pytest.approx(last["loss"])


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
def test_a_run_is_known_by_its_best_even_if_that_came_last(tmp_path):
    """No checkpoint's state knows of the evaluation at the end."""
    folder = train_new(
        tmp_path,
        distilled(distillation={"phases": ["teacher"]}, train={"max_steps": 24, "decay_steps": 0}),
    )
    found = lines_of(folder, "Evaluated")
    best = max(found, key=lambda line: (line["exact_match"], -line["loss"]))
    assert best["step"] == 24
    assert find_outcome(str(folder.path), "teacher").name == "step-00000024-1-teacher"


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
def test_student_and_emulator_must_be_of_one_size(whole, tmp_path):
    deeper = distilled(
        model={"layers": 3},
        distillation={"phases": ["teacher", "student"]},
        train={"max_steps": 2, "decay_steps": 0},
        checkpoints={"every_steps": None},
    )
    other = train_new(tmp_path / "deeper", deeper)
    pair = {
        "phases": ["coupled"], "from_student": str(other.path), "from_emulator": str(whole.path),
    }  # fmt: skip
    with pytest.raises(UserError, match="the student has 3 blocks of width 16, but the emulator"):
        train_new(tmp_path, distilled(distillation=pair))


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
    row = _empty(Batch(ids, None, lengths, prompts, np.array([-1, -1]), np.array([7, 8])))
    fed, _, states, _ = row.model_inputs()
    assert not len(states)
    assert row.index.tolist() == [-1]
    assert fed[0, row.prompt_lengths[0] - 1] == 0 and row.prompt_lengths[0] == 3


@pytest.mark.slow
def test_thoughts_are_stored_where_room_cannot_be_claimed(whole, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)  # as on macOS
    folder = train_new(tmp_path, distilled())
    assert_same(all_tensors(folder), all_tensors(whole))


def test_a_score_that_is_no_number_is_soon_beaten():
    best = Best()
    assert best.improve(0.0, True, 1, float("nan"))
    assert best.improve(0.1, True, 2, -5.0)
    assert best.step == 2
