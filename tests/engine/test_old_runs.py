"""A run folder that icot-tui 0.1.0 wrote: held, let go, killed, resumed, rolled back, stopped."""

import json
import shutil
from pathlib import Path

import pytest

from icot_tui.cli.app import run
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import CommandDone
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from icot_tui.studies.outcome import Outcome
from icot_tui.watch.source import RunFollower
from icot_tui.watch.steps import read_steps
from tests.tiny import read_lines, train

FIXTURE = Path(__file__).parents[1] / "fixtures" / "run-0.1"
Output = pytest.CaptureFixture[str]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("ICOT_TUI_RUNS", str(tmp_path))
    return RunFolder(Path(shutil.copytree(FIXTURE, tmp_path / "run-0.1")))


def test_every_line_is_understood(old: RunFolder) -> None:
    events = list(JournalReader(old.journal).events())
    assert len(events) == len(read_lines(old)) == 111
    summary = RunSummary.of(events)
    metrics = summary.metrics
    assert (metrics.step, metrics.stage, metrics.rollbacks, summary.resumes) == (216, 1, 1, 1)
    assert [one.result.step for one in metrics.evaluations] == [40, 80, 120, 133, 160, 200]


def test_holding_and_letting_go_are_told_apart(old: RunFolder) -> None:
    summary, held = RunSummary(), []
    for time, event in JournalReader(old.journal).events():
        summary.add(time, event)
        if isinstance(event, CommandDone) and event.command == "hold":
            held.append((event.held, summary.metrics.held))
    assert held == [(True, True), (False, False), (True, True), (False, False)]


def test_what_the_resume_undid_is_left_out_everywhere(old: RunFolder) -> None:
    follower = RunFollower(old)
    follower.poll()
    history = follower.history
    assert history.losses.steps().tolist() == list(range(1, 216))  # 216 is in the checkpoint
    assert read_steps(old).steps.tolist() == list(range(1, 216))
    assert history.lines.steps.tolist().count(105) == 1
    assert [(one.step, one.stage) for one in history.removals] == [(92, 2), (142, 3), (183, 1)]
    outcome = Outcome(old)
    assert [point.step for point in outcome.points] == [40, 80, 120, 133, 160, 200]
    assert outcome.internalized_at is None
    assert outcome.versions == ("0.1.0",)


def test_the_commands_about_runs_open_it(old: RunFolder, tmp_path: Path, capsys: Output) -> None:
    assert run(["runs", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["status"], listed["step"], listed["stage"]) == ("stopped", 216, 1)
    for words in (["show"], ["compare", "run-0.1"]):
        assert run(["runs", *words, "run-0.1"]) == 0
    capsys.readouterr()
    out = tmp_path / "steps.csv"
    assert run(["runs", "export", "run-0.1", "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 216


def test_its_checkpoints_are_asked_and_measured(old: RunFolder, capsys: Output) -> None:
    for which in ("run-0.1", "run-0.1@best"):
        assert run(["ask", which, "12*34", "--json"]) == 0
    capsys.readouterr()
    newest = str(list_checkpoints(old.checkpoints)[-1].path)
    assert run(["eval", newest, "--json", "--no-speed"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["exact_match"] <= 1


def test_it_is_resumed_to_its_end(old: RunFolder) -> None:
    ended = train(old)
    assert (ended.finished, ended.step) == (True, 240)
    assert read_steps(old).steps[-1] == 240
    assert not RunSummary.of(JournalReader(old.journal).events()).metrics.held
