"""What is doubtful about chains and answers: counted, told by `data stats` and by a run."""

import json
from pathlib import Path
from typing import Any

import pytest

from icot_tui.cli.app import run
from icot_tui.config import DataConfig
from icot_tui.data.load import load_data

CHAINLESS = "q||#### 1\n"


def write(path: Path, rows: list[tuple[str, Any, str]]) -> str:
    lines = ({"question": x, "cot": z, "answer": y} for x, z, y in rows)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def notes(path: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["data", "stats", path]) == 0
    return capsys.readouterr().err


@pytest.mark.parametrize("empty", ["", " ", []])
def test_examples_without_a_chain_are_counted(
    empty: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path / "a.jsonl", [("1?", "<<1=1>>", "1"), ("2?", empty, "2"), ("3?", "", "3")]
    )
    told = f"{path}: no chain of thought in 2 of 3 examples, so that nothing is removed from them"
    assert told in notes(path, capsys)
    for unit in ("token", "step"):
        assert told in load_data(DataConfig(train=path, validation=path), unit).warnings


def test_examples_of_text_without_a_chain_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1||2 #### 3\n" + CHAINLESS)
    assert "a.txt: no chain of thought in 1 of 2 examples" in notes(str(path), capsys)


@pytest.mark.parametrize("method", ["stepwise", "explicit_cot", "no_cot"])
def test_a_method_that_needs_chains_refuses_data_without_any(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(CHAINLESS * 4)
    config = tmp_path / "c.toml"
    config.write_text(
        f'name = "chainless"\n[data]\ntrain = "{path}"\nvalidation = "{path}"\n'
        f'[method]\nname = "{method}"\n[model]\nlayers = 1\nheads = 2\nwidth = 16\n'
        '[train]\nmax_steps = 1\nbatch_size = 2\ndevice = "cpu"\n'
    )
    status = run(["train", str(config), "--runs", str(tmp_path / "runs"), "-q"])
    error = capsys.readouterr().err
    if method == "no_cot":
        assert status == 0
    else:
        assert status == 2
        assert "no training example has a chain of thought" in error and "no_cot" in error
        assert not list((tmp_path / "runs").glob("chainless"))


def test_whole_numbers_that_were_stored_with_a_point_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.jsonl", [("1?", "a", "72.0"), ("2?", "b", "-10.0")])
    told = f"{path}: all answers end with .0"
    assert told in notes(path, capsys)
    assert any(told in one for one in load_data(DataConfig(train=path, validation=path)).warnings)
    path = write(tmp_path / "b.jsonl", [("1?", "a", "72.0"), ("2?", "b", "0.5")])
    assert "end with .0" not in notes(path, capsys)


@pytest.mark.parametrize("shown", ["['1+1=2', \"it's 2\"]", "['1+1=2' '2+1=3']"])
def test_lists_of_steps_that_were_printed_into_a_column_are_told(
    shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As to_csv of pandas and of datasets does with a column of lists."""
    path = write(tmp_path / "a.jsonl", [("1?", shown, "2"), ("2?", "[]", "3"), ("3?", "", "4")])
    told = f"{path}: all chains of thought are lists as Python or NumPy prints them"
    assert told in notes(path, capsys)
    assert any(told in one for one in load_data(DataConfig(train=path, validation=path)).warnings)
    for chain in ("[3, 1] [1, 3]", "a ['b']", ["'a'", "'b'"]):
        path = write(tmp_path / "b.jsonl", [("1?", shown, "2"), ("2?", chain, "3")])
        assert "NumPy" not in notes(path, capsys)


def test_commas_are_told_where_answers_are_compared_as_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = write(tmp_path / "a.jsonl", [("1?", "a", "2,000"), ("2?", "b", "3")])
    assert "thousands commas" not in notes(numbers, capsys)
    mixed = write(tmp_path / "b.jsonl", [("1?", "a", "2,000"), ("2?", "b", "Tom, 100 years")])
    assert (
        f'{mixed}: thousands commas in 1 of 2 answers, and evaluation.compare is "text" unless '
        'set, since not all answers are numbers: "number" takes 2,000 for 2000'
    ) in notes(mixed, capsys)
