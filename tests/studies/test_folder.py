"""A study's folder: its ledger and its lock."""

from pathlib import Path

import pytest

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.folder import StudyEvent, StudyFolder, append_line, read_lines
from icot_tui.studies.plan import make_plan
from tests.studies.small import small


def test_a_torn_ledger_line_is_passed_over(tmp_path: Path) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    folder = StudyFolder(tmp_path / "runs", plan.name)
    folder.prepare(plan)
    folder.write(StudyEvent("one", "training"))
    with open(folder.ledger, "a") as file:
        file.write('{"trial": "two", "sta')
    folder.write(StudyEvent("one", "finished", "run-1", reused=True))
    assert folder.events() == [
        StudyEvent("one", "training"),
        StudyEvent("one", "finished", "run-1", reused=True),
    ]
    append_line(tmp_path / "other", {"key": "a"})
    assert list(read_lines(tmp_path / "other")) == [{"key": "a"}]


def test_a_study_runs_once_at_a_time(tmp_path: Path) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    first, second = (StudyFolder(tmp_path / "runs", plan.name) for _ in range(2))
    first.prepare(plan)
    first.lock()
    with pytest.raises(UserError, match=r"this study is being run already by process \d+"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()
    assert RunFolder.all(tmp_path / "runs") == []
