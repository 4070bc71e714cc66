"""A study as others see it: from its files alone."""

from pathlib import Path

import pytest

from icot_tui.config import load_config
from icot_tui.engine.journal.events import RunEnded, RunStarted
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from icot_tui.studies import existing_runs
from icot_tui.studies.folder import StudyEvent, StudyFolder
from icot_tui.studies.plan import Plan, make_plan
from icot_tui.studies.trial_list import TrialList, find_study_folder, in_words
from tests.studies.small import SMALL, small

pytestmark = pytest.mark.slow

STARTED = RunStarted(
    step=0,
    name="r",
    method="ICoT-SI",
    version="1",
    device="cpu",
    processes=1,
    parameters=1000,
    train_examples=640,
    validation_examples=100,
    steps_per_epoch=10,
    max_cot_tokens=8,
)
FOUR = SMALL.replace("seeds = [0]", "seeds = [0, 1]")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(small(tmp_path, FOUR), "cpu")


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> StudyFolder:
    folder = StudyFolder(tmp_path / "runs", plan.name)
    folder.prepare(plan)
    return folder


def a_run(plan: Plan, folder: StudyFolder, number: int, *events: RunEnded) -> RunFolder:
    """The run of a trial, whose trainer is not there any more."""
    run = create_run(plan.trials[number].config, folder.runs)
    journal = Journal(run.journal)
    for event in (STARTED, *events):
        journal.write(event)
    journal.close()
    return run


def test_each_trial_has_a_line_whatever_became_of_it(plan: Plan, folder: StudyFolder) -> None:
    names = [trial.name for trial in plan.trials]
    a_run(
        plan, folder, 0, RunEnded(step=30, reason="30 steps are done", finished=True)
    ).path.rename(folder.runs / "elsewhere")
    folder.write(StudyEvent(names[0], "finished", "elsewhere", reused=True))
    folder.write(StudyEvent(names[1], "failed", None, "it had no data"))
    a_run(plan, folder, 2).lock()
    dead = a_run(plan, folder, 3)
    folder.write(StudyEvent(names[3], "training"))

    trials = TrialList(folder)
    lines = trials.read(2e9)
    assert [line.name for line in lines] == [
        *("No CoT, seed 0", "No CoT, seed 1", "ICoT-SI, seed 0", "ICoT-SI, seed 1"),
    ]
    assert [line.status for line in lines] == ["finished", "failed", "stalled", "dead"]
    assert lines[0].folder.name == "elsewhere"
    assert lines[1].description == "it had no data"
    assert lines[3].folder.path == dead.path
    assert in_words(lines) == "2 of 4 trials over, 1 at work, 1 failed"

    journal = Journal(dead.journal)
    journal.write(RunEnded(step=30, reason="30 steps are done", finished=True))
    journal.close()
    assert in_words(trials.read(2e9)) == "3 of 4 trials over, 1 at work, 1 failed"


def test_trials_without_a_run_are_to_come(folder: StudyFolder) -> None:
    assert {line.status for line in TrialList(folder).read(2e9)} == {"to come"}
    (folder.path / "plan.json").write_text("{")
    assert TrialList(folder).read(2e9) == []


def test_what_is_to_come_is_no_earlier_run_of_that_name(plan: Plan, folder: StudyFolder) -> None:
    """The study was changed since: its trials keep their names, but train something else."""
    for trial in plan.trials:
        create_run(trial.config.model_copy(update={"seed": 99}), folder.runs)
    lines = TrialList(folder).read(2e9)
    assert {line.status for line in lines} == {"to come"}
    assert not any(line.folder.path.exists() for line in lines)


def test_a_config_is_read_once_even_if_it_is_damaged(
    plan: Plan, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(plan, folder, 0)
    a_run(plan, folder, 1).config.write_text("damaged")
    read: list[str] = []
    monkeypatch.setattr(
        existing_runs,
        "load_config",
        lambda path: read.append(path.parent.name) or load_config(path),
    )
    trials = TrialList(folder)
    for _ in range(3):
        assert [line.status for line in trials.read(2e9)] == ["dead", *["to come"] * 3]
    assert sorted(read) == [trial.name for trial in plan.trials[:2]]


def test_a_study_is_found_by_name_path_or_short_name(folder: StudyFolder, tmp_path: Path) -> None:
    for name in ("small-cpu", str(folder.path), "small"):
        study = find_study_folder(folder.runs, name)
        assert study is not None
        assert study.path == folder.path
        assert study.runs == folder.runs
    for name in ("", "tiny", ".", str(tmp_path)):
        assert find_study_folder(folder.runs, name) is None
    beneath = find_study_folder(folder.runs, f"{folder.logs}/..")
    assert beneath is not None and beneath.path == folder.path
