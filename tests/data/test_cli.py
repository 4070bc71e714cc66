"""`icot-tui data`: what it writes, shows and measures."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from icot_tui.cli.app import run
from icot_tui.data import files
from icot_tui.data.examples import read_lines
from icot_tui.data.tasks import make_task
from tests.golden.tokenizer import digits_tokenizer

MAKE = ["data", "make", "multiplication", "--set", "digits=2x2", "--validation", "40"]


def test_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    arguments = [*MAKE, "--train", "60", "--test", "20", "--out", str(out)]
    assert run([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    examples = {name: list(read_lines(out / f"{name}.txt")) for name in printed}
    assert {name: len(found) for name, found in examples.items()} == {
        "train": 60,
        "validation": 40,
        "test": 20,
    }
    assert all(
        facts["bytes"] == (out / f"{name}.txt").stat().st_size for name, facts in printed.items()
    )
    assert len({example for found in examples.values() for _, example in found}) == 120
    before = (out / "train.txt").read_bytes()
    assert run(arguments) == 2
    assert "is there already: give --force" in capsys.readouterr().err
    assert run([*MAKE, "--train", "60", "--out", str(out), "--seed", "1", "--force"]) == 0
    assert (out / "train.txt").read_bytes() != before
    assert sorted(path.name for path in out.iterdir()) == ["train.txt", "validation.txt"]


def test_make_without_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert run([*MAKE, "--out", str(tmp_path)]) == 1
    assert "No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "digits"], "--set digits has no '='"),
        (["--set", "digits=9x9"], "data.train_examples is missing"),
        (["--train", "9000"], "only 8100 distinct problems"),
    ],
)
def test_make_refuses(
    arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*MAKE, *arguments, "--out", str(tmp_path / "out")]) == 2
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


def test_show_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.txt"
    path.write_text("".join(f"{n}\x1b[31m||[b]z #### {n}\n" for n in range(100)))
    assert run(["data", "show", str(path), "-n", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "1\t0\\x1b[31m\t[b]z\t0",
        "2\t1\\x1b[31m\t[b]z\t1",
    ]
    assert run(["data", "show", str(path), "--random", "--json", "-n", "10"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len({example["line"] for example in shown}) == 10
    assert all(example["input"] == f"{example['line'] - 1}\x1b[31m" for example in shown)
    assert max(example["line"] for example in shown) > 10
    assert run(["data", "show", str(tmp_path / "no.txt")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_show_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "show", "modular", "--set", "steps=2", "-n", "3", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [len(example["input"].split()) for example in shown] == [5, 5, 5]
    assert run(["data", "show", "modula"]) == 2
    assert "did you mean modular" in capsys.readouterr().err


def test_stats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, held_out = tmp_path / "train.txt", tmp_path / "validation.txt"
    train.write_text("1 2||3 #### 4\n1 2||3 5 #### 4\n1 3||3 5 6 #### 4\n")
    held_out.write_text("1 2||3 #### 4\n9 2||3 #### 4\n")
    assert run(["data", "stats", str(train), str(held_out), "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert stats[str(train)] == {
        "examples": 3,
        "input": 2.0,
        "cot": 2.0,
        "answer": 1.0,
        "removable": 3,
        "steps": None,
        "most_steps": None,
        "longest": 10,
        "repeated": 1,
        "in_first": 0,
        "overlong": 0,
    }
    assert stats[str(held_out)]["in_first"] == 1
    assert run(["data", "stats", str(train), "--step-end", "5", "--json"]) == 0
    (steps,) = json.loads(capsys.readouterr().out).values()
    assert (steps["steps"], steps["most_steps"]) == (1.0, 2)
    assert run(["data", "stats", str(train)]) == 0
    assert str(train) in capsys.readouterr().out


def test_stats_of_the_papers_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"{size}.txt" for size in ("4x4", "9x9")]
    for file in files:
        task = make_task("multiplication", {"digits": file.stem})
        file.write_bytes(task.lines(task.sample(20, np.random.default_rng(0))))
    digits_tokenizer().save_pretrained(tmp_path / "tokenizer")
    names = map(str, (*files, "--tokenizer", tmp_path / "tokenizer"))
    assert run(["data", "stats", *names, "--json"]) == 0
    four, nine = json.loads(capsys.readouterr().out).values()
    assert [four[key] for key in ("input", "cot", "answer", "removable")] == [9, 46, 8, 47]
    assert [nine[key] for key in ("input", "cot", "answer", "removable")] == [19, 246, 18, 247]
