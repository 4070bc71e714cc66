"""Any source as text, JSON lines or Parquet: the same examples come back."""

import json
from pathlib import Path

import pytest

from icot_tui.cli.app import run
from icot_tui.data.examples import Example, chunk_examples
from icot_tui.data.reading import ExampleReader

FILES = Path(__file__).parent / "files"


def examples(path: Path) -> list[Example]:
    return [one for c in ExampleReader(str(path)).chunks() for _, one in chunk_examples(c)]


@pytest.mark.parametrize("form", ["text", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["gsm8k.jsonl", "codi.parquet", "coconut.json"])
def test_the_same_examples_come_back(
    name: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["data", "convert", str(FILES / name), "--to", form, "--out", str(out)]
    assert run([*arguments, "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"path": str(out), "examples": 4}
    assert "4 examples, 1.2 steps" in shown.err
    assert examples(out) == examples(FILES / name)
    assert run(arguments) == 2 and "--force" in capsys.readouterr().err
    assert run([*arguments, "--force"]) == 0
    assert list(tmp_path.iterdir()) == [out]


def test_a_bad_row_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"question":"q","cot":"","answer":"1"}\n{"question":"q","cot":""}\n')
    assert run(["data", "convert", str(bad), "--to", "parquet"]) == 2
    assert "row 2, column answer: it is missing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [bad]


def test_stats_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(FILES / "gsm8k.jsonl")
    columns = ["--chain", "answer", "--answer", "answer", "--max-length", "60"]
    assert run(["data", "stats", file, *columns, "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)[file]["overlong"] == 3
    assert "is read as columns of data.columns, JSON: 4 examples" in shown.err


def test_stats_warn_of_tokens_that_are_no_digits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    words = [" ", "|", "#", "####", "12", "345", "12345", *"123456789"]
    core = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}))
    core.pre_tokenizer = Split(Regex("####|12345|12|[0-9]| "), "isolated")
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="|").save_pretrained(tmp_path / "tok")
    (tmp_path / "a.txt").write_text("1 2||12 #### 3\n")
    command = ["data", "stats", str(tmp_path / "a.txt"), "--tokenizer", str(tmp_path / "tok")]
    assert run(command) == 0
    notes = capsys.readouterr().err
    assert "joins digits (12345 is 1 tokens)" in notes
    assert "spends a token on each blank" in notes
    (tmp_path / "a.txt").write_text("1||2 #### 3\n")
    assert run(command) == 0
    assert "note" not in capsys.readouterr().err
