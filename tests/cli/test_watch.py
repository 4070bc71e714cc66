"""`icot-tui watch`: a line a run until all have ended."""

import re
import time
from pathlib import Path

import pytest

from icot_tui.cli import watch
from icot_tui.cli.app import run
from icot_tui.engine.journal.events import (
    CommandDone,
    Event,
    Paused,
    RunEnded,
    RunResumed,
    Unpaused,
)
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.run_folder import RunFolder
from tests.cli.terminal import in_terminal
from tests.events import STARTED, evaluated, removed, trained
from tests.watch.runs import journal, make

Output = pytest.CaptureFixture[str]
HISTORY: list[Event] = [STARTED, trained(60, losses=[0.5] * 60), evaluated(60, 0.25)]
DONE = RunEnded(step=60, reason="done", finished=True)
STOPPED = RunEnded(step=60, reason="stopped by command", finished=False)


def test_runs_that_have_ended_are_told_once(runs: Path, capsys: Output) -> None:
    make(runs, "one", [*HISTORY, DONE])
    make(runs, "two", [*HISTORY, STOPPED])
    assert run(["watch", "one", "two"]) == 0
    lines = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    facts = "step 60, removed 0 of 8, loss 0.5000, exact match 25.0%"
    assert lines == [f"one: finished, {facts}", f"two: stopped, {facts}"]
    make(runs, "dead", HISTORY)
    assert run(["watch", "two", "dead"]) == 1
    assert "dead: gone, step 60" in capsys.readouterr().out
    assert run(["watch", "none"]) == 2


def test_changes_are_told_until_the_last_run_ends(
    runs: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(runs, "one")
    folder.journal.write_bytes(journal(HISTORY, since=time.time()))
    make(runs, "over", [*HISTORY, DONE])
    folder.lock()
    written = Journal(folder.journal)
    news: list[list[Event]] = [
        [trained(61)],
        [removed(61, 1), trained(62, stage=1)],
        [CommandDone(step=62, id="x", command="hold", done=True, effect="held", held=True)],
        [Paused(step=62, reason="by command")],
        [Unpaused(step=62), evaluated(62, 0.5, stage=1)],
        [RunEnded(step=62, reason="done", finished=True)],
    ]

    def later(seconds: float) -> None:
        assert seconds == 0.5
        for event in news.pop(0):
            written.write(event)

    monkeypatch.setattr(watch.time, "sleep", later)
    assert run(["watch", "--every", "0.5"]) == 0
    monkeypatch.undo()
    folder.unlock()
    lines = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    told = [(line.split(",")[0], re.findall(r"removed \d|match [\d.]+%", line)) for line in lines]
    assert told == [
        ("one: running", ["removed 0", "match 25.0%"]),
        ("one: running", ["removed 1", "match 25.0%"]),
        ("one: held", ["removed 1", "match 25.0%"]),
        ("one: paused", ["removed 1", "match 25.0%"]),
        ("one: held", ["removed 1", "match 50.0%"]),
        ("one: finished", ["removed 1", "match 50.0%"]),
    ]
    assert run(["watch"]) == 0
    assert "no run is at work in" in capsys.readouterr().out


def test_a_run_that_is_being_resumed_is_watched_until_it_ends(
    runs: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(runs, "one", [*HISTORY, STOPPED])
    folder.lock()
    written = Journal(folder.journal)
    news: list[Event] = [
        RunResumed(step=60, checkpoint="step-00000060"),
        trained(61),
        RunEnded(step=61, reason="done", finished=True),
    ]
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: written.write(news.pop(0)))
    assert run(["watch"]) == 0
    monkeypatch.undo()
    folder.unlock()
    told = [line.split("one: ")[1].split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert told == ["starting", "running", "finished"]


def test_a_terminal_shows_a_table(runs: Path) -> None:
    make(runs, "one", [*HISTORY, DONE])
    make(runs, "evil", [*HISTORY, STOPPED]).path.rename(runs / "e\x1b[31m")
    status, shown = in_terminal("watch", "one", "e\x1b[31m")
    assert status == 0
    assert r"e\x1b[31m" in shown
    plain = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", shown)
    rows = [line.split() for line in plain.splitlines() if "60" in line]
    assert rows[0] == ["one", "finished", "60", "0", "of", "8", "0.5000", "25.0%"]


def test_ctrl_c_leaves_and_the_runs_go_on(runs: Path) -> None:
    folder = make(runs, "one", HISTORY)
    folder.lock()
    status, shown = in_terminal("watch", answer=b"\x03", after=b"starting")
    assert status == 0
    assert "Traceback" not in shown
    assert shown.rstrip().endswith("\x1b[?25h")  # the cursor is shown again
    assert RunFolder(folder.path).is_locked()
    folder.unlock()
