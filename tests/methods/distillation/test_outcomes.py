"""What each training chooses, saves and hands to the next, and how it opens again."""

import json
import shutil

import pytest
import torch

from icot_tui.cli.app import run as call
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import PhaseBegan
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.loop.run_state import Best
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.distillation.checkpoints import find_outcome, open_student
from icot_tui.runs.opening import open_checkpoint
from tests.methods.distillation.runs import all_tensors, distilled, last_state, lines_of
from tests.tiny import assert_same, byte_pair_tokenizer, train_new


@pytest.mark.slow
def test_each_ends_with_its_chosen_checkpoint(whole):
    names = [checkpoint.name for checkpoint in list_checkpoints(whole.checkpoints)]
    for ended in lines_of(whole, "PhaseEnded"):
        assert ended["checkpoint"] in names
    assert last_state(whole)["run"]["outcomes"] == {
        ended["phase"]: ended["checkpoint"] for ended in lines_of(whole, "PhaseEnded")
    }


@pytest.mark.slow
def test_the_emulator_is_chosen_by_its_distance_from_the_teacher(whole):
    compared = {line["step"]: line["loss"] for line in lines_of(whole, "ThoughtsCompared")}
    best = min(compared, key=lambda step: compared[step])
    (ended,) = [line for line in lines_of(whole, "PhaseEnded") if line["phase"] == "emulator"]
    assert ended["checkpoint"] == f"step-{best:08d}-3-emulator"
    for line in lines_of(whole, "ThoughtsCompared"):
        assert len(line["blocks"]) == 2
        assert sum(line["blocks"]) == pytest.approx(line["loss"])


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


def test_a_teacher_that_lost_its_manifest_is_refused(whole, tmp_path):
    run = RunFolder(shutil.copytree(whole.path, tmp_path / "run"))
    teacher = find_outcome(str(run.path), "teacher")
    (teacher / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"cannot be used: manifest\.json is missing"):
        find_outcome(str(teacher), "teacher")


@pytest.mark.slow
def test_all_models_have_the_words_of_the_data_or_none(tmp_path):
    byte_pair_tokenizer().save_pretrained(tmp_path / "words")
    data = {"tokenizer": str(tmp_path / "words")}
    small = {"layers": 1, "vocabulary": "data"}
    limits = {"max_steps": 2, "decay_steps": 0}
    run = train_new(tmp_path, distilled(data=data, model=small, train=limits))
    opened = open_checkpoint(run.path)
    assert opened.model.get_input_embeddings().weight.shape[0] < 40
    teacher_only = {"phases": ["teacher"]}
    large = distilled(
        distillation=teacher_only, data=data, model={"layers": 1}, train=limits, name="large"
    )
    teacher = train_new(tmp_path, large)
    section = {"phases": ["student"], "from_teacher": str(teacher.path)}
    wrong = distilled(distillation=section, data=data, model=small, name="wrong")
    with pytest.raises(UserError, match="is not the tokenizer that the model was trained with"):
        train_new(tmp_path, wrong)
    silent = tmp_path / "silent"  # a folder of any other origin says nothing of itself
    shutil.copytree(find_outcome(str(teacher.path), "teacher"), silent)
    (silent / "icot_tui.json").unlink()
    (silent / "manifest.json").unlink()
    section["from_teacher"] = str(silent)
    only = distilled(distillation=section, data=data, model=small, name="only")
    with pytest.raises(UserError, match=r"train it with model\.vocabulary = 'data', too"):
        train_new(tmp_path, only)


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


def test_the_eval_command_finds_what_the_run_found(whole, capsys):
    assert call(["eval", str(whole.path), "--no-speed", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    last = lines_of(whole, "Evaluated")[-1]
    assert (found["exact_match"], found["examples"]) == (last["exact_match"], last["examples"])
    assert found["loss"] == pytest.approx(last["loss"])


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


def test_a_score_that_is_no_number_is_soon_beaten():
    best = Best()
    assert best.improve(0.0, True, 1, float("nan"))
    assert best.improve(0.1, True, 2, -5.0)
    assert best.step == 2
