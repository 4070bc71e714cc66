"""Tags, notes, names and the trash of runs."""

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from icot_tui.cli.app import run
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from icot_tui.runs.notes import FILE
from tests.cli.history import MEASURED, STARTED, TRAINED, Output, journal
from tests.tiny import tiny


def make(runs: Path, name: str, **train: object) -> RunFolder:
    folder = create_run(tiny(name=name, train=train), runs)
    journal(folder, STARTED, *TRAINED, MEASURED, RunEnded(step=100, reason="done", finished=True))
    return folder


def names(capsys: Output, *words: str) -> list[str]:
    capsys.readouterr()
    assert run(["runs", "list", "--json", *words]) == 0
    return [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]


def latest(runs: Path) -> str:
    return RunFolder.find(runs, None).name


def test_tags_and_notes_choose_runs_and_go_with_a_copy(runs: Path, capsys: Output) -> None:
    make(runs, "one")
    make(runs, "two")
    assert run(["runs", "tag", "one", "paper", "+old"]) == 0
    assert run(["runs", "tag", "one", "new", "--remove", "old"]) == 0
    assert run(["runs", "note", "one", "a late \x1b[1mspike"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["paper, new", r"a late \x1b[1mspike"]
    assert names(capsys, "tag:paper") == names(capsys, "note~late", "tag!=old") == ["one"]
    assert run(["runs", "list"]) == 0
    heading, *_, row = capsys.readouterr().out.splitlines()
    assert heading.split("\t")[-2:] == ["tags", "note"]
    assert row.split("\t")[-2:] == ["paper, new", r"a late \x1b[1mspike"]
    shutil.copytree(runs / "one", runs / "copy")
    assert run(["runs", "show", "copy"]) == 0
    assert "tags      paper, new" in capsys.readouterr().out
    assert run(["runs", "note", "one", ""]) == 0
    assert run(["runs", "tag", "one", "bad tag"]) == 2
    assert run(["runs", "tag", "one", "--remove", "old"]) == 2
    output = capsys.readouterr()
    assert output.out == "one has no note\n"
    assert "'bad tag' can't be a tag" in output.err
    assert "run one has no tag 'old'; its tags: paper, new" in output.err


def test_nothing_is_written_through_links(runs: Path, tmp_path: Path, capsys: Output) -> None:
    folder = make(runs, "one")
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    (folder.path / FILE).symlink_to(precious)
    (folder.path / f".{FILE}.{os.getpid()}").symlink_to(precious)
    assert run(["runs", "tag", "one", "paper"]) == 0
    assert precious.read_text() == "keep me" and names(capsys, "tag:paper") == ["one"]
    (runs / "link").symlink_to(folder.path)
    assert run(["runs", "tag", "link", "other"]) == 1
    (folder.path / FILE).unlink()
    os.mkfifo(folder.path / FILE)
    assert names(capsys, "tag:paper") == []  # and nothing waits for the pipe


def test_renaming_keeps_latest_right(runs: Path, capsys: Output) -> None:
    make(runs, "one")
    make(runs, "two")
    assert run(["runs", "rename", "two", "three"]) == 0
    assert latest(runs) == "three" and names(capsys) == ["three", "one"]
    assert run(["runs", "rename", "one", "first"]) == 0
    assert latest(runs) == "three"
    for name in ("first", "latest", "a/b", ""):
        assert run(["runs", "rename", "three", name]) == 2
    live = RunFolder(runs / "three")
    live.lock()
    capsys.readouterr()
    assert run(["runs", "rename", "three", "four"]) == 2
    assert "stop it first with 'icot-tui ctl stop --run three'" in capsys.readouterr().err


def test_deleting_asks_and_moves_into_the_trash(
    runs: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        make(runs, name)
    assert run(["runs", "delete", "three"]) == 2
    assert "with --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, abort: answers.append(text))
    answers: list[str] = []
    assert run(["runs", "delete", "three"]) == 0
    assert answers == ["Move three into the trash?"]
    assert latest(runs) == "two" and names(capsys) == ["two", "one"]
    assert (runs / ".trash" / "three" / "journal.jsonl").is_file()
    RunFolder(runs / "two").lock()
    assert run(["runs", "delete", "one", "two", "--yes"]) == 2
    assert names(capsys) == ["two", "one"]  # all or none


def test_the_last_run_and_a_second_of_its_name(runs: Path, capsys: Output) -> None:
    for _ in range(2):
        make(runs, "one")
        assert run(["runs", "delete", "one", "-y"]) == 0
    assert sorted(os.listdir(runs / ".trash")) == ["one", "one-2"]
    assert not (runs / "latest").exists()


def test_a_deleted_run_comes_back(runs: Path, capsys: Output) -> None:
    for name in ("one", "two"):
        make(runs, name)
    assert run(["runs", "restore"]) == 0
    assert run(["runs", "delete", "two", "-y"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0] == f"the trash of {runs} is empty"
    assert output[-1].endswith("/.trash/two now: 'icot-tui runs restore two'")
    make(runs, "two")
    assert run(["runs", "delete", "one", "-y"]) == 0
    capsys.readouterr()
    assert run(["runs", "restore"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["one", "two"]
    assert run(["runs", "restore", "two"]) == 2
    assert run(["runs", "restore", "two", "a/b"]) == run(["runs", "restore", "three"]) == 2
    taken, _, missing = capsys.readouterr().err.splitlines()
    assert "two is there already: choose another name with 'icot-tui runs restore two" in taken
    assert "there is no run 'three' in the trash" in missing
    assert run(["runs", "restore", "two", "two-again"]) == run(["runs", "restore", "one"]) == 0
    assert sorted(names(capsys)) == ["one", "two", "two-again"]
    assert latest(runs) == "two" and not os.listdir(runs / ".trash")


def test_the_best_run_is_found_and_what_is_wrong_is_told(runs: Path, capsys: Output) -> None:
    for name, rate in (("one", 0.01), ("two", 0.02)):
        make(runs, name, learning_rate=rate)
    journal(RunFolder(runs / "one"), msgspec.structs.replace(MEASURED, exact_match=0.9))
    assert names(capsys, "--sort", "accuracy") == ["one", "two"]
    assert names(capsys, "--sort", "accuracy", "--reverse") == ["two", "one"]
    assert names(capsys, "train.learning_rate>0.01") == ["two"]
    assert run(["runs", "list", "--sort", "train.learning_rate", "accuracy>0"]) == 0
    heading, row, _ = capsys.readouterr().out.splitlines()
    assert heading.split("\t")[-1] == "train.learning_rate" and row.split("\t")[-1] == "0.01"
    assert run(["runs", "list", "accuracy>100%"]) == 0
    assert capsys.readouterr().out == "none of 2 runs meets the filter accuracy>100%\n"
    for words in (["learning_rate>1"], ["--sort", "learning_rate"]):
        assert run(["runs", "list", *words]) == 2
        assert "did you mean train.learning_rate?" in capsys.readouterr().err
