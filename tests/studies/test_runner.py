"""What a study does with its trials, and leaves alone; nothing is trained here."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from icot_tui.config import load_config
from icot_tui.engine.journal.events import (
    CommandDone,
    Event,
    RunEnded,
    RunStarted,
    StepsTrained,
    Warned,
)
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.new_run import create_run, remove_empty_run
from icot_tui.studies import folder as study_folder
from icot_tui.studies.existing_runs import RunIndex, TrialProgress, find_existing_runs
from icot_tui.studies.folder import StudyEvent, StudyFolder
from icot_tui.studies.plan import Plan, Trial, make_plan
from icot_tui.studies.runner import Runner, TrialStatus
from icot_tui.studies.spec import load_study
from icot_tui.studies.trial_process import TrainerProcess, WorkerSlot
from tests.studies.small import SMALL, small, write_study

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
TRAINED = StepsTrained(
    step=10,
    first=1,
    losses=[1.0] * 10,
    gradient_norms=[1.0] * 10,
    stage=3,
    learning_rate=1e-3,
    supervised_tokens=10,
    dropped_rows=0,
    seconds=1.0,
)
FINISHED = RunEnded(step=30, reason="30 steps are done", finished=True)
STOPPED = RunEnded(step=10, reason="stopped by command, saving first", finished=False)
STEPPED_IN = CommandDone(
    step=5, id="x", command="advance", done=True, effect="one token more is removed"
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(small(tmp_path), "cpu")


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> StudyFolder:
    folder = StudyFolder(tmp_path / "runs", plan.name)
    folder.prepare(plan)
    return folder


def tell(run: RunFolder, *events: Event) -> None:
    """What a run's trainer would have journaled."""
    journal = Journal(run.journal)
    for event in events:
        journal.write(event)
    journal.close()


@dataclass(eq=False)
class Ending:
    """A trainer that is at work once, and then ends."""

    slot: WorkerSlot
    ends: Callable[[], int]
    resumed: RunFolder | None = None
    looked_at: bool = False

    def poll(self) -> int | None:
        if not self.looked_at:
            self.looked_at = True
            return None
        return self.ends()

    def stop(self, run: RunFolder | None) -> None:
        pass

    def reason(self) -> str:
        return "No space left on device"


def outcome(
    plan: Plan, folder: StudyFolder, code: int, *events: Event, stopping: bool = False
) -> TrialStatus:
    """What becomes of a study's first trial if its trainer journals this and ends so."""

    def start(
        study: StudyFolder,
        trial: Trial,
        slot: WorkerSlot,
        lock: IO[str],
        run: RunFolder | None,
    ) -> Ending:
        own = create_run(trial.config, folder.runs)

        def ends() -> int:
            tell(own, *events)
            if stopping:
                runner.stop()
            return code

        lock.close()
        return Ending(slot, ends)

    runner = Runner(Plan(plan.study, plan.scale, plan.trials[:1]), folder, [{}], start)
    (status,) = runner.run()
    return status


def test_stopping_leaves_alone_what_somebody_else_trains(plan: Plan, folder: StudyFolder) -> None:
    others = [create_run(trial.config, folder.runs) for trial in plan.trials]
    for run in others:
        tell(run, STARTED, TRAINED)
        run.lock()
    runner = Runner(plan, folder, [{}] * 2, on_poll=lambda runner: runner.stop())
    assert [status.state for status in runner.run()] == ["waiting", "waiting"]
    assert [list(run.control.iterdir()) for run in others] == [[], []]


def test_a_trial_that_somebody_stepped_into_is_told_truly(plan: Plan, folder: StudyFolder) -> None:
    status = outcome(plan, folder, 0, STARTED, TRAINED, STEPPED_IN, FINISHED)
    assert status.state == "failed"
    assert status.reason == (
        "the command advance altered the training, so it does not count: "
        "start the study again to repeat it"
    )
    assert status.run is not None
    assert find_existing_runs(RunIndex(folder.runs), status.trial.digest).finished is None


def test_a_trial_that_somebody_stopped_is_no_silent_hole(plan: Plan, folder: StudyFolder) -> None:
    status = outcome(plan, folder, 0, STARTED, TRAINED, STOPPED)
    assert status.state == "stopped"
    assert status.reason.startswith("stopped by somebody else, and saved")
    assert not status.unsaved


def test_what_fails_while_a_study_stops_keeps_its_reason(plan: Plan, folder: StudyFolder) -> None:
    status = outcome(plan, folder, 1, STARTED, TRAINED, stopping=True)
    assert status.state == "stopped"
    assert "No space left on device" in status.reason
    assert status.unsaved


def test_what_had_not_begun_loses_nothing(plan: Plan, folder: StudyFolder) -> None:
    status = outcome(plan, folder, -15, stopping=True)
    assert (status.state, status.unsaved) == ("stopped", False)


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (40, "signal 40")])
def test_a_trainer_that_any_signal_ended_has_a_reason(
    tmp_path: Path, number: int, name: str
) -> None:
    code = f"import os; os.kill(os.getpid(), {number})"
    process = subprocess.Popen([sys.executable, "-S", "-c", code])
    process.wait()
    trainer = TrainerProcess({}, process, tmp_path / "log", 0, None)
    assert trainer.reason() == f"its trainer was killed ({name})"


# --- which runs are a trial's ---


def with_files(folder: Path) -> Plan:
    """A study whose text is in files, written long ago."""
    for name in ("t.txt", "v.txt"):
        (folder / name).write_text("1||1 #### 1\n")
        os.utime(folder / name, (1e9, 1e9))
    files = 'data.train = "t.txt"\ndata.validation = "v.txt"\n'
    files += 'defaults = ["data.task", "data.options", "data.test_examples"]'
    path = write_study(folder, SMALL.replace('method.name = "no_cot"', files))
    return make_plan(load_study(path), "cpu")


def test_a_run_counts_until_its_data_changes(tmp_path: Path) -> None:
    trial = with_files(tmp_path).trials[0]
    run = create_run(trial.config, tmp_path / "runs")
    tell(run, STARTED, TRAINED, FINISHED)
    index = RunIndex(tmp_path / "runs")
    assert find_existing_runs(index, trial.digest).finished is not None
    (tmp_path / "t.txt").write_text("1||2 #### 2\n")
    os.utime(tmp_path / "t.txt", (4e9, 4e9))
    assert find_existing_runs(index, trial.digest).finished is None
    assert find_existing_runs(RunIndex(tmp_path / "runs"), trial.digest).finished is None


def test_a_journal_is_read_once(
    plan: Plan, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(plan.trials[0].config, folder.runs)
    tell(run, STARTED, TRAINED)
    index = RunIndex(folder.runs)
    assert index.progress(run).step == 10
    seen: list[Event] = []
    original = TrialProgress.after

    def after(before: TrialProgress, event: Event) -> TrialProgress:
        seen.append(event)
        return original(before, event)

    monkeypatch.setattr(TrialProgress, "after", after)
    tell(run, FINISHED)
    assert index.progress(run).finished
    assert seen == [FINISHED]


def test_a_folder_that_another_trainer_goes_on_with_is_not_removed(
    plan: Plan, folder: StudyFolder
) -> None:
    run = create_run(plan.trials[0].config, folder.runs)
    resumed = RunFolder(run.path)
    resumed.lock()
    assert remove_empty_run(run, is_new=True) == ""
    assert load_config(run.config)
    resumed.unlock()
    assert "was removed" in remove_empty_run(run, is_new=True)
    assert not run.path.exists()


def test_a_run_that_was_refused_before_its_first_checkpoint_leaves_nothing(
    plan: Plan, folder: StudyFolder
) -> None:
    """Its name is free again once the data are mended."""
    run = create_run(plan.trials[0].config, folder.runs)
    journal = Journal(run.journal)
    journal.write(STARTED)
    journal.write(Warned(step=0, message="the training failed: too long"))
    journal.flush()
    begun = create_run(plan.trials[0].config, folder.runs)
    shutil.copy(run.journal, begun.journal)
    (begun.checkpoints / "step-00000000").mkdir(parents=True)
    assert "was removed" in remove_empty_run(run, is_new=True)
    assert not run.path.exists()
    assert remove_empty_run(begun, is_new=True) == ""
    assert begun.path.exists()


# --- the ledger ---


def test_the_ledger_waits_for_room_on_a_full_disk(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(file: int, content: bytes) -> int:
        """Room for a part of the line only."""
        return write(file, content[:20])

    monkeypatch.setattr(os, "write", full)
    folder.write(StudyEvent("a", "training"))
    folder.write(StudyEvent("b", "training"))
    monkeypatch.setattr(os, "write", write)
    assert folder.events() == []
    folder.flush()
    folder.flush()
    assert [event.trial for event in folder.events()] == ["a", "b"]

    def refused(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refused)
    with pytest.raises(UserError, match="No space left"):
        study_folder.append_line(folder.ledger, {})
