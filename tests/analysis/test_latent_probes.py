"""Probes and patching where continuous thoughts stand, with the controls of all other places."""

import json
import random

import pytest
from typer.testing import CliRunner

from icot_tui.analysis.checkpoints import run_entries
from icot_tui.analysis.examples import AlignedExamples, load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.probe_run import ProbeSettings, run_probes
from icot_tui.cli.app import app
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.opening import open_checkpoint
from icot_tui.tui.play.probe_reports import probe_map
from icot_tui.tui.play.records import ChosenToken, ViewRequest
from tests.tiny import tiny, train_new

pytestmark = pytest.mark.slow


def thinking(method="coconut", **sections):
    """A run at its last stage from the first step on, with nearly random weights."""
    curriculum = {"unit": "step"} if method == "coconut" else {}
    spans = [{"stage": 9, "steps": 1}]
    plain = {
        "curriculum": {
            "schedule": "stages",
            "stages": spans,
            "smoothing": float("inf"),
            **curriculum,
        },
        "model": {"layers": 2, "width": 32, "initializer_range": 0.2, "dropout": 0.0},
        "train": {"max_steps": 1, "decay_steps": 0},
    }
    return tiny(method={"name": method}, **(plain | sections))


def lettered(folder, copied):
    """Questions of a letter and two digits; the chain and the answer are it, or any other one."""
    draw = random.Random(0)
    lines = []
    for _ in range(600):
        letter, digits = draw.choice("abcdefgh"), draw.choices("0123456789", k=2)
        said = letter if copied else draw.choice("abcdefgh")
        lines.append(f"{letter} {digits[0]} {digits[1]}||{said} . #### {said}\n")
    for name, part in (("train", lines[:100]), ("valid", lines[100:])):
        (folder / f"{name}.txt").write_text("".join(part))
    return {
        "task": None, "options": {}, "train": str(folder / "train.txt"),
        "validation": str(folder / "valid.txt"), "max_overlap": 1.0,
        "train_examples": 100, "validation_examples": 500,
        "step_end": ".",
    }  # fmt: skip


@pytest.mark.parametrize("copied", [True, False])
def test_what_a_thought_holds_is_read_there_and_nothing_else(tmp_path, copied):
    """Even random weights carry the question's letter on; what it does not tell is not there."""
    folder = train_new(tmp_path, thinking(data=lettered(tmp_path, copied)))
    model = LoadedModel(open_checkpoint(folder.path))
    settings = ProbeSettings(targets=("z1", "c0"), patch=False)
    report = run_probes(model, load_examples(model, 500), settings=settings)
    for name in ("t1", "t2"):
        column = report.columns.index(name)
        scores = report.scores[:, :, column]
        controls = report.controls["shuffled"][:, :, column]
        if copied:
            assert scores[:, 0].min() > 0.7 and controls.max() < 0.35
        else:
            assert scores.max() < 0.3
        assert report.valid[:, 0, column].all()


def test_thoughts_have_columns_of_their_own(tmp_path):
    folder = train_new(tmp_path, thinking())
    model = LoadedModel(open_checkpoint(folder.path))
    split = load_examples(model, 20).split(model)
    aligned = AlignedExamples(model, split, model.stage)
    assert aligned.names == (
        "a0", "a1", "*", "b0", "b1", "SEP", "START", "t1", "t2", "t3", "t4", "END", "SEP2", "####",
        "c0", "c1", "c2", "c3",
    )  # fmt: skip
    assert (aligned.columns == range(18)).all()  # all questions are as long
    assert aligned.names[aligned.answer] == "c0" and aligned.names[aligned.separator] == "SEP"
    assert (aligned.tokens[:, aligned.separator + 1 : aligned.chain] == -1).all()


@pytest.mark.parametrize("method", ["coconut", "codi"])
def test_the_command_probes_and_patches_thoughts_against_a_control(tmp_path, method):
    runs = tmp_path / "runs"
    learnt = {"max_steps": 1, "decay_steps": 0}
    data = {"validation_examples": 300}
    train_new(runs, thinking(method, name="thinks", data=data))
    train_new(runs, tiny(name="control", method={"name": "no_cot"}, train=learnt, data=data))
    command = ["probe", str(runs / "thinks"), "--control", str(runs / "control")]
    told = CliRunner().invoke(app, [*command, "--examples", "300", "--device", "cpu", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert {"START", "t1", "END"} <= set(found["columns"])
    assert {"constant", "shuffled", "untrained", "no_cot"} == set(found["targets"][0]["controls"])
    names = [target["name"] for target in found["targets"]]
    assert "z1" in names and "c0" in names and "ĉ1" in names
    assert len(found["answer_digit_accuracy"]) == 4
    # The second run of the command finds the report; so does the playground.
    again = CliRunner().invoke(app, [*command, "--examples", "300", "--device", "cpu", "--json"])
    assert json.loads(again.stdout)["targets"] == found["targets"]
    [*_, entry] = run_entries(RunFolder(runs / "thinks"))
    answer = LoadedModel(open_checkpoint(entry.path)).ask("12*34")
    for view in ("probe", "patching"):
        shown = probe_map(ViewRequest(entry, view, ChosenToken("chain", 0, "4", True)), answer)
        assert shown.columns == tuple(found["columns"])
