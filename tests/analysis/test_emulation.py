"""ICoT-KD: the pair answers, and its thoughts stand beside the teacher's."""

import json
import shutil

import numpy as np
import pytest
import torch

from icot_tui.analysis import emulation
from icot_tui.analysis.checkpoints import find_checkpoint, newest_of_each_stage, run_entries
from icot_tui.analysis.emulation import ThoughtComparison, summary
from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import open_safely
from icot_tui.cli import app as cli
from icot_tui.engine.checkpoints.checkpoint import MANIFEST, list_checkpoints
from icot_tui.engine.checkpoints.description import FILE
from icot_tui.errors import UserError
from tests.methods.distillation.runs import distilled, lines_of
from tests.tiny import train_new

pytestmark = pytest.mark.slow

VALIDATION = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All four trainings; the last one leaves the emulator as it is."""
    config = distilled(
        distillation={"freeze_emulator": True, "mixture_components": 2},
        checkpoints={"keep": 1000, "every_steps": 3},
    )
    return train_new(tmp_path_factory.mktemp("runs"), config)


@pytest.fixture(scope="module")
def pair(run):
    return LoadedModel(open_safely(run.path))


def alone(pair, prompt):
    """Token after token without a cache, and the probability of each."""
    row, chances = list(prompt), []
    with torch.no_grad():
        thoughts = pair.lm.reading.source(torch.tensor([prompt]), torch.tensor([len(prompt) - 1]))
        while len(row) < pair.lm.config.max_position_embeddings:
            with pair.lm.reading.student.reading(thoughts, torch.tensor([len(prompt) - 1])):
                shares = torch.softmax(
                    pair.lm.reading.student.lm(torch.tensor([row])).logits[0, -1], -1
                )
            row.append(int(shares.argmax()))
            chances.append(float(shares.max()))
            if row[-1] == pair.token_format.separator_id:
                break
    return row[len(prompt) :], chances


@pytest.mark.slow
@pytest.mark.parametrize("text", ["12*34", "99*99", "10*57"])
def test_the_pair_answers_at_once(pair, text):
    answer = pair.ask(text)
    tokens, chances = alone(pair, answer.question.prompt)
    tokens = tokens[: answer.decoded]
    assert answer.decoded == len(tokens) and answer.written == 0
    assert (answer.hidden, answer.stage) == (8, 8)
    assert not any(token.written for token in answer.chain) and len(answer.chain) == 8
    assert answer.expected == str(np.prod([int(part) for part in text.split("*")]))
    if answer.tokens:
        assert [t.text for t in answer.tokens] == [pair.token_text(t) for t in tokens][
            -len(answer.tokens) :
        ]
        own = [token.probability for token in answer.tokens]
        assert own == pytest.approx(chances[len(tokens) - len(own) : len(tokens)], abs=1e-4)


def test_what_the_pair_answers_is_what_the_run_evaluated(run, pair):
    split = load_examples(pair, VALIDATION).split(pair)
    answers = pair.answer([pair.reader.example(split, index) for index in range(VALIDATION)])
    assert all(answer.decoded for answer in answers)
    found = sum(bool(answer.right) for answer in answers) / VALIDATION
    assert found == lines_of(run, "Evaluated")[-1]["exact_match"]


def test_a_question_whose_answer_nobody_knows(pair):
    answer = pair.ask("2 1 * 4", raw=True)
    assert answer.expected is None and answer.written == 0 and answer.chain == ()


def test_a_pair_of_no_run_answers_too(pair, tmp_path):
    folder = tmp_path / "imported"
    shutil.copytree(pair.opened.path, folder)
    for name in (FILE, MANIFEST):  # an import has neither
        (folder / name).unlink()
    imported = LoadedModel(open_safely(folder))
    answer = imported.ask("2 1 * 4 3")
    assert answer.answer == pair.ask("12*34").answer and "has no stages" in answer.notes[-1]
    known = imported.ask("2 1 * 4 3||8 4 0 + 0 6 3 0 #### 8 0 4 0")
    assert (known.hidden, known.stage, known.answer) == (8, 8, answer.answer)
    with pytest.raises(UserError, match="its teacher is unknown"):
        ThoughtComparison(imported)


def test_the_teacher_answers_with_its_whole_chain_of_thought(run):
    teacher = LoadedModel(open_safely(find_checkpoint(f"{run.path}@teacher", run.path.parent)))
    assert not teacher.is_pair and teacher.stage == 0
    assert teacher.ask("12*34").hidden == 0


def test_halves_of_a_pair_and_choices_that_it_has_not_are_one_sentence(run, pair):
    for phase, missing in (("student", "emulator"), ("emulator", "student")):
        path = find_checkpoint(f"{run.path}@{phase}", run.path.parent)
        with pytest.raises(UserError, match=f"holds the {phase} alone, and no {missing}"):
            open_safely(path)
    for choice in ({"written": 3}, {"stage": 0}):
        with pytest.raises(UserError, match="never writes a chain of thought"):
            pair.ask("12*34", **choice)
    assert not pair.chooses_budget


def test_each_checkpoint_has_the_accuracy_of_its_own_training(run):
    """What one training ends with, the next begins with, at the same step."""
    told = iter(lines_of(run, "PhaseBegan") + lines_of(run, "Evaluated"))
    begins = [next(told)["step"] for _ in range(4)]
    entries = run_entries(run)
    assert {entry.path for entry in entries} == {c.path for c in list_checkpoints(run.checkpoints)}
    for entry in entries:
        number = ["teacher", "student", "emulator", "coupled"].index(entry.phase)
        assert f"-{number + 1}-{entry.phase}" in entry.path.name
        assert entry.stage == (0 if entry.phase == "teacher" else 8)
        if entry.step == begins[number]:
            assert entry.exact_match is None
    ends = [entry for entry in entries if entry.exact_match is not None]
    assert {(entry.phase, entry.step) for entry in ends} >= {("teacher", 6), ("coupled", 24)}
    assert [entry.phase for entry in entries if entry.best] == ["coupled"]
    assert [entry.phase for entry in newest_of_each_stage(entries)] == ["teacher", "coupled"]
    with pytest.raises(UserError, match="its stages are 0, 8, its trainings teacher, student"):
        find_checkpoint(f"{run.path}@5", run.path.parent)


def test_distances_are_those_of_the_run(run, pair, monkeypatch):
    """A frozen emulator's errors stand in the journal: half the squared difference over H."""
    monkeypatch.setattr(emulation, "EXAMPLES", VALIDATION)
    comparison = ThoughtComparison(pair)
    assert comparison.examples == VALIDATION
    layers = comparison.of(pair.reader.read("12*34"))
    compared = lines_of(run, "ThoughtsCompared")
    chosen = min(compared, key=lambda line: line["loss"])["blocks"]
    width = pair.lm.config.hidden_size
    assert [one.average.own * width / 2 for one in layers] == pytest.approx(chosen, rel=1e-3)
    assert [one.here.before for one in layers] == pytest.approx([one.here.own for one in layers])
    assert [(one.layer, one.place) for one in layers] == [(1, "SEP"), (2, "SEP2")]
    # The first block's input at the first separator is that of every question.
    assert layers[0].here.guess == layers[0].average.guess == pytest.approx(0, abs=1e-6)
    assert not layers[0].predicted


def test_a_perfect_emulator_and_a_guess_are_told_apart(pair):
    comparison = ThoughtComparison(pair)
    question = pair.reader.read("12*34")
    true = comparison._thoughts(question.gold)
    comparison._emulate = lambda *arguments: true
    perfect = comparison.of(question)
    assert all(one.here.own == pytest.approx(0, abs=1e-6) for one in perfect)
    assert perfect[1].others > 10 * (perfect[1].here.own + 1e-6)
    comparison._emulate = lambda *arguments: comparison._center[None]
    for one in comparison.of(question):
        assert one.here.own == pytest.approx(one.here.guess, abs=1e-6)
    assert "of 2 layers" in summary(perfect, comparison.examples)
    comparison._before = None
    assert comparison.of(question)[0].here.before is None


def test_what_has_no_teacher_is_one_sentence(run, pair, carries):
    with pytest.raises(UserError, match="is no pair of ICoT-KD"):
        ThoughtComparison(carries)
    with pytest.raises(UserError, match="chain of thought of this question is unknown"):
        ThoughtComparison(pair).of(pair.reader.read("2 1 * 4", raw=True))


def test_later_runs_find_the_teacher_of_what_they_build_on(run, tmp_path):
    section = {
        "phases": ["coupled"], "from_student": str(run.path), "from_emulator": str(run.path),
        "mixture_components": 2,
    }  # fmt: skip
    folder = train_new(tmp_path, distilled(distillation=section, train={"max_steps": 3}))
    later = LoadedModel(open_safely(folder.path))
    assert later.opened.config is not None and later.opened.config.distillation is not None
    found = emulation.teacher_path(later, later.opened.config.distillation)
    assert found.name.endswith("-1-teacher")


@pytest.mark.slow
def test_the_command_tells_it(run, capsys):
    assert cli.run(["ask", str(run.path), "12*34", "--thoughts", "--json"]) == 0
    [answer] = json.loads(capsys.readouterr().out)["answers"]
    assert [one["layer"] for one in answer["thoughts"]] == [1, 2] and answer["written"] == 0
    assert cli.run(["ask", str(run.path), "12*34", "--thoughts"]) == 0
    out = capsys.readouterr().out
    assert "average own" in out and "0 is the same thought" in out
    assert "of 2 layers the emulated thought is clearly nearer" in out
    teacher = f"{run.path}@teacher"
    assert cli.run(["ask", teacher, str(run.path), "12*34"]) == 0
    assert cli.run(["ask", str(run.path), "12*34", "--written", "2"]) == 2
    assert "never writes a chain of thought" in capsys.readouterr().err
    assert cli.run(["probe", str(run.path)]) == 2
    assert "ask --thoughts" in capsys.readouterr().err
