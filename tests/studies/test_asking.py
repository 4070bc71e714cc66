"""Checkpoints of finished trials are asked: on their own data, at every stage, and elsewhere."""

from pathlib import Path

import pytest
import torch

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies import evaluation
from icot_tui.studies.collect import CHECKPOINT, DATA, Collector, Row
from icot_tui.studies.folder import StudyFolder, read_lines
from icot_tui.studies.plan import Plan, make_plan
from icot_tui.studies.runner import TrialStatus
from icot_tui.studies.spec import load_study
from tests.studies.small import SMALL, small, write_study
from tests.tiny import tiny, train_new

pytestmark = pytest.mark.slow

KD = """
[vary.method."ICoT-KD"]
method.name = "distillation"
train.restart_warmup = false
distillation.teacher.max_steps = 4
distillation.student.max_steps = 4
distillation.emulator.max_steps = 4
distillation.coupled.max_steps = 4
evaluation.every_steps = 2

[scales.cpu]"""
ASKED = {"measures = [": 'per = "checkpoint"\nfrontier = true\nmeasures = ["removed_tokens", '}
ELSEWHERE = """
[data."as trained"]

[data."shorter"]
options.digits = "1x2"
validation_examples = 30

[data."longer"]
options.digits = "3x3"
validation_examples = 10

[data."much longer"]
options.digits = "33x33"
validation_examples = 10

[data."letters"]
task = "modular"
validation_examples = 10

[report]
per = "data"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asking")


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, RunFolder]:
    """A finished run for each method."""
    plan = make_plan(small(folder, SMALL.replace("[scales.cpu]", KD)), "cpu")
    return {trial.labels[0][1]: train_new(folder / "runs", trial.config) for trial in plan.trials}


def finished(plan: Plan, trained: dict[str, RunFolder]) -> list[TrialStatus]:
    return [
        TrialStatus(trial=t, state="finished", run=trained[dict(t.labels)["method"]])
        for t in plan.trials
    ]


def collected(plan: Plan, folder: Path, trained: dict[str, RunFolder]) -> list[Row]:
    study = StudyFolder(folder / "runs", plan.name)
    study.prepare(plan)
    rows = Collector(plan, study).collect(finished(plan, trained)).rows
    measured = list(read_lines(study.measured))
    assert Collector(plan, study).collect(finished(plan, trained)).rows == rows
    assert list(read_lines(study.measured)) == measured, "measured twice"
    return rows


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "SPEED_SECONDS", 0.05)


def test_the_best_checkpoint_of_each_method(folder: Path, trained: dict[str, RunFolder]) -> None:
    plan = make_plan(small(folder, SMALL.replace("[scales.cpu]", KD)), "cpu")
    rows = collected(plan, folder, trained)
    assert [row.note for row in rows] == ["", "", ""]
    for row in rows:
        assert row.values["exact_match"] is not None
        assert row.values["speed"] is not None
    assert rows[0].values["speed"] == 1.0
    steps_to_internalize = [row.values["steps_to_internalize"] for row in rows]
    assert steps_to_internalize[0] is steps_to_internalize[2] is None
    assert steps_to_internalize[1] is not None


def test_every_stage_is_a_point(folder: Path, trained: dict[str, RunFolder]) -> None:
    text = SMALL.replace('name = "small"', 'name = "points"')
    for old, new in ASKED.items():
        text = text.replace(old, new)
    rows = collected(make_plan(small(folder, text), "cpu"), folder, trained)
    stages = {
        method: [int(dict(row.labels)[CHECKPOINT]) for row in rows if row.labels[0][1] == method]
        for method in ("No CoT", "ICoT-SI")
    }
    assert stages["No CoT"] == [8]
    assert len(stages["ICoT-SI"]) > 3
    assert stages["ICoT-SI"] == sorted(set(stages["ICoT-SI"]))
    assert stages["ICoT-SI"][-1] == 8
    assert all(row.values["removed_tokens"] == int(dict(row.labels)[CHECKPOINT]) for row in rows)


def test_other_data_and_why_some_cannot_be_read(
    folder: Path, trained: dict[str, RunFolder]
) -> None:
    text = SMALL.replace('name = "small"', 'name = "other"').replace("[report]", ELSEWHERE)
    text = text.replace('"speed", ', "")
    rows = collected(make_plan(small(folder, text), "cpu"), folder, trained)
    by_name = {dict(row.labels)[DATA]: row for row in rows if row.labels[0][1] == "ICoT-SI"}
    for name in ("as trained", "shorter", "longer"):
        assert by_name[name].note == ""
        assert by_name[name].values["exact_match"] is not None
    assert by_name["much longer"].values["exact_match"] is None
    assert "positions, but the model has 64" in by_name["much longer"].note
    assert by_name["letters"].values["exact_match"] is None
    assert by_name["letters"].note


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("validation_exampels = 10", "unknown key validation_exampels; did you mean"),
        ("validation_examples = 0", "validation_examples must be a whole number of at least 1"),
        ('task = "additoin"', "did you mean addition?"),
        ("options.digitz = 3", "digitz"),
    ],
)
@pytest.mark.parametrize("scale", ["", "scales.cpu."])
def test_mistakes_in_other_data_are_told_before_anything_is_trained(
    tmp_path: Path, key: str, says: str, scale: str
) -> None:
    section = f'\n[{scale}data."other"]\n{key}\n\n[report]\nper = "data"'
    path = write_study(tmp_path, SMALL.replace("[report]", section).replace('"speed", ', ""))
    line = path.read_text().splitlines().index(key) + 1
    with pytest.raises(UserError) as raised:
        make_plan(load_study(path), "cpu")
    assert says in str(raised.value)
    places = [f"{path}:{number}: " for number in (line, line - 1)]  # the key's or its section's
    assert str(raised.value).startswith(tuple(places))


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps", "auto"])
def test_a_run_of_another_machine_is_asked_on_what_is_here(device: str) -> None:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    found = evaluation.device_of(tiny(train={"device": device}))
    assert there.get(found, found == "cpu")
    assert found == device or not there.get(device)
    assert evaluation.describe_device(found)
