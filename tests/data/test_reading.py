"""Rows in the formats of the field: recognized, told and refused."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from icot_tui.config import DataConfig
from icot_tui.config.sections import ColumnsConfig
from icot_tui.data.examples import Example, chunk_examples
from icot_tui.data.load import load_data
from icot_tui.data.reading import ExampleReader
from icot_tui.errors import UserError

FILES = Path(__file__).parent / "files"


def read(source: Path | str, **columns: str) -> tuple[list[Example], list[str]]:
    reader = ExampleReader(str(source), columns=ColumnsConfig(**columns))
    examples = [one for chunk in reader.chunks() for _, one in chunk_examples(chunk)]
    return examples, reader.told()


def test_columns_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    row = {"problem": "2*6?", "rationale": ["2*6", "= 12"], "result": 12}
    file.write_text(json.dumps({"data": [row]}))
    with pytest.raises(UserError, match="columns problem, rationale, result; name"):
        read(file)
    examples, _ = read(file, question="problem", chain="rationale", answer="result")
    assert examples == [Example("2*6?", "2*6 = 12", "12")]
    with pytest.raises(UserError, match="is 'proof'; the columns are problem, rationale, result"):
        read(file, question="problem", chain="proof", answer="result")


def test_the_whole_text_of_gsm8k_can_be_the_chain() -> None:
    examples, _ = read(FILES / "gsm8k.jsonl", chain="answer", answer="answer")
    assert examples[0].cot == "There are 4+8 = <<4+8=12>>12 things."


def test_values_stay_as_they_are_written(tmp_path: Path) -> None:
    """No type is guessed: not in CSV, and not from the rows before."""
    answers = ["007", "72", "72.0", "1,000", "2020-01-01", "None", "12345678901234567890123"]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("question", "cot", "answer"), *(("q", "c", one) for one in answers)])
    assert [example.answer for example in read(tmp_path / "a.csv")[0]] == answers
    lines = [json.dumps({"question": "q", "cot": "c", "answer": one}) for one in answers]
    lines += [
        '{"question": "q", "cot": "c", "answer": 72}',
        '{"answer":72.0,"cot":"","question":"q"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert [e.answer for e in read(tmp_path / "a.jsonl")[0]] == [*answers, "72", "72.0"]


def test_layouts_of_json(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "cot": "c", "answer": n} for n in range(3)]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    for text in (
        json.dumps(rows),
        json.dumps(rows, indent=1),
        "\ufeff" + "\n\n".join(map(json.dumps, rows)),
        json.dumps({"data": rows}),
        json.dumps(columns, indent=2),
    ):
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        assert [example.answer for example in read(tmp_path / "a.json")[0]] == ["0", "1", "2"]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_rows_of_lists_alone_are_rows_and_no_columns(tmp_path: Path, suffix: str) -> None:
    """As chats are stored."""
    file = tmp_path / f"chat{suffix}"
    row = json.dumps({"messages": [{"role": "user", "content": "2*6?"}]}) + "\n"
    file.write_text(row * 2)
    with pytest.raises(UserError, match="row 1: no known format has the columns messages; name"):
        read(file)


def test_a_folder_has_a_file_for_each_split(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, answer in (("train-0.jsonl", 1), ("train-1.jsonl", 2), ("valid.jsonl", 3)):
        row = {"question": f"{answer}?", "cot": "", "answer": answer}
        (tmp_path / "data" / name).write_text(json.dumps(row))
    data = load_data(DataConfig(train=str(tmp_path), validation=str(tmp_path)))
    assert [warning.rpartition(": ")[2] for warning in data.warnings][:3] == [
        "1 example, 0.0 steps"
    ] * 3
    assert (len(data.train), len(data.validation)) == (2, 1)
    with pytest.raises(UserError, match=r"no test file.* it has train-0\.jsonl, train-1"):
        load_data(DataConfig(train=str(tmp_path), validation="50%", test=str(tmp_path)))


GOOD = {"question": "q", "cot": "c", "answer": "1"}


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([GOOD, {"question": "q", "cot": "c"}], "row 2, column answer: it is missing; the columns"),
        ([GOOD, GOOD | {"answer": None}], "row 2, column answer: it is null"),
        ([GOOD, GOOD | {"answer": {"value": 1}}], "row 2, column answer: it is a nested dict"),
        ([GOOD, GOOD | {"question": ["q"]}], "row 2, column question: it is a nested list"),
        ([GOOD, GOOD | {"cot": None}], "row 2, column cot: it is null"),
        ([GOOD | {"cot": ["a", None]}], "row 1, column cot: step 2 is null"),
        ([GOOD | {"answer": " "}], "row 1, column answer: it is empty"),
        (
            [GOOD | {"answer": "\u0661\u0662"}],
            "row 1, column answer: '\u0661' is a digit of another",
        ),
        ([GOOD | {"question": "a||b"}], "row 1, column question: '||' stands in it"),
        ([GOOD | {"answer": "#### 1"}], "row 1, column answer: '####' stands in it"),
        ([GOOD | {"question": "x" * 50_000_000}], "row 1, column question: it has 50,000,000"),
        ([{"question": "q", "answer": "a #### 1"}, {"question": "q", "answer": "1"}], "'####' is"),
        ([{"question": "q", "answer": "#### 1 #### 2"}], "'####' stands there more than once"),
        ([{"question": "q", "answer": "a ####"}], "row 1, column answer: the answer is empty"),
        ([{"text": "q"}], "no known format has the columns text; name"),
        ([GOOD, 3], "row 2: columns are missing, it is 3"),
        ([], "has no rows"),
    ],
)
def test_a_bad_row_is_named_and_leaves_nothing(
    rows: list[Any], complaint: str, tmp_path: Path, cache: Path
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(UserError) as refused:
        load_data(DataConfig(train=str(file), validation=str(file)))
    assert complaint in str(refused.value) and str(file) in str(refused.value)
    assert refused.value.exit_status == 2
    assert not [path for path in cache.glob("*") if path.suffix != ".lock"]


def damaged_parquet(path: Path) -> None:
    pq.write_table(pa.table({"question": ["q"] * 99}), path)
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("name", "write", "complaint"),
    [
        ("a.jsonl", lambda p: p.write_text(f'{json.dumps(GOOD)}\n{{"q\n'), "row 2: "),
        ("a.json", lambda p: p.write_text('[{"question":"q"},'), "Input data was truncated"),
        ("a.parquet", damaged_parquet, "is a damaged Parquet file"),
        ("a.csv", lambda p: p.write_text("question,cot,answer\nq,c,1,000\n"), "row 1: it has more"),
        (
            "a.csv",
            lambda p: p.write_text("question,cot,answer\nq,c\n"),
            "column answer: it is null",
        ),
        ("a.csv", lambda p: p.write_bytes(b"question,cot,answer\nq,c,\xff\n"), "answer: it is not"),
        ("a.json", lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"), "LFS"),
        ("a.json", lambda p: p.write_text("<!DOCTYPE html>"), "a web page"),
        ("a.csv", lambda p: p.write_bytes(b"\x1f\x8b12"), "packed with gzip"),
        ("a.json", lambda p: None, "does not exist"),
    ],
)
def test_damaged_files_are_named(
    name: str, write: Callable[[Path], object], complaint: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(UserError, match=complaint):
        read(tmp_path / name)
