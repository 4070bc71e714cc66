import json
import os
import time
from pathlib import Path

import pytest

from icot_tui.cli.app import run
from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.checkpoints.checkpoint import write_checkpoint
from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    LossSpike,
    RunEnded,
    RunStarted,
    SpikeRecovered,
    StepsTrained,
    TokenRemoved,
)
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.run_folder import RunFolder
from tests.analysis.made import state_at
from tests.events import probed, trained

Output = pytest.CaptureFixture[str]
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
HISTORY: list[Event] = [
    STARTED,
    StepsTrained(
        step=100,
        first=1,
        losses=[1.0] * 100,
        gradient_norms=[1.0] * 100,
        stage=0,
        learning_rate=1e-3,
        supervised_tokens=10,
        dropped_rows=0,
        seconds=2.0,
    ),
    TokenRemoved(step=100, before=0, stage=1, cause="on schedule", everything=False),
    LossSpike(step=101, spike=1, removal=1, baseline=0.5, loss=2.0),
    SpikeRecovered(step=109, spike=1, removal=1, height=1.5, steps=8),
    LossSpike(step=110, spike=2, removal=None, baseline=0.5, loss=2.0),
    CheckpointSaved(step=120, path="step-00000120", stage=1, bytes=10, seconds=0.1),
    Evaluated(
        step=120,
        stage=1,
        implicit=False,
        exact_match=0.75,
        low=0.7,
        high=0.8,
        examples=1000,
        loss=0.1,
        token_accuracy=[0.9],
        best=0.75,
        seconds=1.0,
        samples="",
    ),
]

CONFIG = ["curriculum.schedule=loss_gated", "curriculum.gate_loss=0.1", "curriculum.gate_per=token"]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICOT_TUI_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def make(runs: Path, name: str, *events: Event, minutes_ago: float = 0) -> RunFolder:
    folder = RunFolder.create(runs, name, dump_toml(load_config("demo", CONFIG).config))
    when = time.time() - 60 * minutes_ago
    os.utime(folder.config, (when, when))
    folder.journal.write_bytes(b"".join(encode_line(when, event) for event in events))
    return folder


def test_show_says_that_a_gate_counts_the_rows_at_the_stage(runs: Path, capsys: Output) -> None:
    config = load_config("demo", [*CONFIG, "curriculum.gate_rows=scheduled"]).config
    RunFolder.create(runs, "demo", dump_toml(config))
    assert run(["runs", "show"]) == 0
    assert "whenever the loss per token at the stage is below 0.1" in capsys.readouterr().out


def listed(capsys: Output) -> list[dict[str, object]]:
    assert run(["runs", "list", "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_no_run_yet(runs: Path, capsys: Output) -> None:
    assert run(["runs", "list"]) == 0
    assert "no runs in" in capsys.readouterr().out
    assert run(["runs", "show"]) == 2
    assert listed(capsys) == []


def test_newest_first_with_what_they_do(runs: Path, capsys: Output) -> None:
    make(runs, "old", *HISTORY, RunEnded(step=200, reason="done", finished=True), minutes_ago=9)
    make(runs, "new", *HISTORY, RunEnded(step=200, reason="stopped by command", finished=False))
    make(runs, "middle", *HISTORY, minutes_ago=5)
    make(runs, "begun", minutes_ago=7).lock()
    assert [(one["name"], one["status"]) for one in listed(capsys)] == [
        ("new", "stopped"),
        ("middle", "dead"),
        ("begun", "starting"),
        ("old", "finished"),
    ]
    assert run(["runs", "list"]) == 0
    heading, first, *_ = capsys.readouterr().out.splitlines()
    assert heading.split("\t")[:3] == ["run", "status", "method"]
    assert first.split("\t")[:7] == [
        "new", "stopped", "ICoT-SI", "1 of 8", "75.0%", "75.0%", "200",
    ]  # fmt: skip


@pytest.mark.parametrize("title", ["run", "exact match", "began", "removed", "steps"])
def test_lists_are_sorted_by_the_titles_of_their_columns(
    runs: Path, capsys: Output, title: str
) -> None:
    make(runs, "a", *HISTORY)
    make(runs, "b", STARTED)
    assert run(["runs", "list", "accuracy > 10%", "--sort", title]) == 0
    heading, first = capsys.readouterr().out.splitlines()
    assert heading.split("\t").count(title) == 1
    assert first.startswith("a\t")


def test_damaged_folders_are_listed_and_break_nothing(runs: Path, capsys: Output) -> None:
    whole = make(runs, "whole", *HISTORY)
    make(runs, "binary", *HISTORY).journal.write_bytes(os.urandom(3000))
    make(runs, "bad-config", *HISTORY).config.write_text("name = [")
    make(runs, "no-config", *HISTORY).config.unlink()
    make(runs, "no-journal").journal.unlink()
    odd = make(runs, "odd-values", *HISTORY)
    lines = odd.journal.read_text().replace('"losses":[1.0', '"losses":["x"').replace("0.75", '"y"')
    odd.journal.write_text(lines)
    folder_as_journal = make(runs, "folder-as-journal")
    folder_as_journal.journal.unlink()
    folder_as_journal.journal.mkdir()
    (runs / "no-run").mkdir()
    (runs / "stray.txt").write_text("x")
    status = {one["name"]: one["status"] for one in listed(capsys)}
    assert status == {
        "whole": "dead",
        "binary": "dead",
        "no-journal": "dead",
        "bad-config": "damaged",
        "no-config": "damaged",
        "odd-values": "dead",  # without the damaged lines
        "folder-as-journal": "damaged",
    }
    assert run(["runs", "list"]) == 0
    for name in status:
        assert run(["runs", "show", name]) == (2 if name == "no-config" else 0)
        assert run(["runs", "show", name, "--json"]) == (2 if name == "no-config" else 0)
    assert whole.path.exists()


def test_show(runs: Path, capsys: Output) -> None:
    folder = make(runs, "demo", *HISTORY, probed(120, 1))

    def write_weights(where: Path) -> None:
        (where / "weights").write_bytes(b"x" * 60_000)

    write_checkpoint(folder.checkpoints, "step-00000120", state_at(1), write_weights, 0)
    damaged = folder.checkpoints / "step-00000060"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{")
    write_checkpoint(folder.checkpoints, "step-00000090", state_at(1), write_weights, 0)
    (folder.checkpoints / "step-00000090" / "manifest.json").unlink()
    assert run(["runs", "show"]) == 0
    text = capsys.readouterr().out
    assert "multiplication digits 2x2" in text
    assert "one token whenever the loss per token is below 0.1" in text
    assert "75.0%" in text
    assert "step-00000120\t1\t75.0%\t0.1 MB\tbest" in text
    assert "step-00000060\tdamaged" in text and "step-00000090\tdamaged" in text
    assert "120\ttoken 2\t0.750\t0.210\t0.290\t500" in text
    assert "8 steps" in text
    assert "open" in text
    assert run(["runs", "show", "demo", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["config"]["data"]["task"] == "multiplication"
    assert [one["exact_match"] for one in shown["evaluations"]] == [0.75]
    assert [one["stage"] for one in shown["checkpoints"]] == [None, None, 1]
    assert [one["readable"] for one in shown["next_tokens"]] == [0.75]
    assert [one["open"] for one in shown["spikes"]] == [False, True]


def test_the_parts_of_a_loss_are_those_of_the_last_steps(runs: Path, capsys: Output) -> None:
    steps = [
        trained(at, losses=[1.0], loss_parts={"student": at / 8, "teacher": None}) for at in (1, 2)
    ]
    make(runs, "demo", STARTED, *steps)
    assert run(["runs", "show"]) == 0
    told = capsys.readouterr().out
    assert "loss      student 0.250 + teacher unknown, in the last steps\n" in told
    assert run(["runs", "show", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["loss_parts"]
    assert parts == {"student": 0.25, "teacher": None}


def test_a_run_by_its_path(runs: Path, tmp_path: Path, capsys: Output) -> None:
    folder = make(tmp_path / "elsewhere", "far", *HISTORY)
    assert run(["runs", "show", str(folder.path)]) == 0
    assert run(["runs", "show", "far"]) == 2
    assert "there is no run 'far'" in capsys.readouterr().err


def test_the_config_of_a_run_is_shown_by_its_name_or_folder(runs: Path, capsys: Output) -> None:
    folder = make(runs, "demo-2")
    shown = []
    for source in (folder.config, folder.path, "demo-2"):
        assert run(["config", "show", str(source)]) == 0
        assert run(["config", "check", str(source)]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] == shown[2]
    assert "curriculum.gate_loss = 0.1  # " in shown[0]
    assert run(["config", "show", "demo-3"]) == 2


def test_the_latest_run_was_deleted(runs: Path, capsys: Output) -> None:
    make(runs, "kept", *HISTORY, minutes_ago=3)
    gone = make(runs, "gone", *HISTORY)
    gone.path.rename(runs.parent / "away")
    assert run(["runs", "show"]) == 0
    assert "kept" in capsys.readouterr().out


def test_control_characters_in_a_journal_are_shown_not_obeyed(runs: Path, capsys: Output) -> None:
    make(runs, "demo", STARTED, RunEnded(step=0, reason="bad \x1b]0;x\x07 news", finished=False))
    for command in (["runs", "list"], ["runs", "show"], ["runs", "show", "--json"]):
        assert run(command) == 0
        assert "\x1b" not in capsys.readouterr().out
