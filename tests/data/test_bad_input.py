"""A bad row of any form of data: one sentence with file and place, exit 2, nothing left behind."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from icot_tui.cli.app import run
from tests.faults.foreign import within

Rows = list[dict[str, Any]]
GOOD = [
    {"question": "1+1?", "cot": "<<1+1=2>>", "answer": "2"},
    {"question": "1+2?", "cot": "<<1+2=3>>", "answer": "3"},
]
LONG = "x" * 50_000_000
PRINTED = 400
"""Characters that a sentence has at most."""


def write_text(path: Path, rows: Rows) -> None:
    path.write_text("".join("{question}||{cot} #### {answer}\n".format(**row) for row in rows))


def write_json(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Rows) -> None:
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in rows[0]}), path)


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    ".txt": write_text,
    ".jsonl": write_json,
    ".csv": write_csv,
    ".parquet": write_parquet,
}


def refused(path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a command refuses a file."""
    folder, out = path.parent, path.parent / "out.jsonl"
    before = sorted(folder.iterdir())
    config = folder.parent / "run.toml"
    config.write_text(
        f'name = "bad"\n[data]\ntrain = "{path}"\nvalidation = "{path}"\n'
        '[model]\nlayers = 1\nheads = 2\nwidth = 16\n[train]\nmax_steps = 1\ndevice = "cpu"\n'
    )
    arguments = {
        "train": ["train", str(config), "--runs", str(folder.parent / "runs"), "-q"],
        "stats": ["data", "stats", str(path)],
        "convert": ["data", "convert", str(path), "--to", "jsonl", "--out", str(out)],
    }
    assert run(arguments[command]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and error.startswith("error: ") and len(error) < PRINTED
    assert sorted(folder.iterdir()) == before
    return error


@pytest.mark.parametrize("command", ["train", "stats", "convert"])
@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("answer", "\u0661\u0662", "'\u0661' is a digit of another script"),
        ("cot", "\uff11", "'\uff11' is a digit of another script"),
        ("question", "\u0967?", "'\u0967' is a digit of another script"),
        ("answer", "", " is empty"),
        ("question", " ", " is empty"),
        ("cot", "a #### b", "'####' stands "),
        ("answer", "2 #### 2", "'####' stands "),
        ("question", "a||b", "'||' stands "),
    ],
)
def test_a_bad_value(
    column: str,
    value: str,
    complaint: str,
    suffix: str,
    command: str,
    tmp_path: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "in" / f"data{suffix}"
    path.parent.mkdir()
    WRITERS[suffix](path, [*GOOD, GOOD[0] | {column: value}])
    error = refused(path, command, capsys)
    place = "line 3" if suffix == ".txt" else f"row 3, column {column}"
    assert f"{path}, {place}: " in error and complaint in error
    assert not [entry for entry in cache.glob("*") if entry.suffix != ".lock"]


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.slow
def test_a_value_of_50_megabytes(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in" / f"data{suffix}"
    path.parent.mkdir()
    WRITERS[suffix](path, [*GOOD, GOOD[0] | {"cot": LONG}])
    with within(20):  # it once took a minute and a half
        error = refused(path, "stats", capsys)
    place = "line 3" if suffix == ".txt" else "row 3, column cot"
    assert f"{path}, {place}: it has " in error and " more than 1,048,576" in error


@pytest.mark.parametrize("write", [write_json, write_parquet])
@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        (["a", "\u0661"], "'\u0661' is a digit of another script"),
        (["a", LONG], "it has 50,000,002 characters, more than 1,048,576"),
        ([1, 2], "step 1 is of type int, not text"),
        (["a", None], "step 2 is null, not text"),
        (None, "it is null"),
    ],
    ids=["digit", "long", "numbers", "null step", "null"],
)
def test_a_bad_list_of_steps(
    steps: Any,
    complaint: str,
    write: Callable[[Path, Rows], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "in" / "data"
    path.parent.mkdir()
    write(path, [{"question": "1?", "steps": steps, "answer": "1"}])
    place = f"{path}, row 1, column steps: "
    assert place + complaint in refused(path, "stats", capsys)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([b"1"]), "bytes"),
        (pa.array([0], pa.date32()), "date"),
        (pa.array([0], pa.timestamp("s")), "datetime"),
        (pa.array([{"value": 1}]), "dict"),
        (pa.array([["1"]]), "list"),
    ],
    ids=["bytes", "date", "datetime", "dict", "list"],
)
def test_a_column_that_is_no_text(
    values: pa.Array, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in" / "data.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"question": ["1?"], "cot": ["1"], "answer": values}), path)
    error = refused(path, "stats", capsys)
    assert f"{path}, row 1, column answer: it is a " in error and f"{kind}, not text" in error


def test_a_column_that_stands_twice_in_parquet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in" / "data.parquet"
    path.parent.mkdir()
    arrays = [pa.array([text]) for text in ("1?", "1", "2", "3")]
    names = ["question", "cot", "answer", "answer"]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), path)
    assert f"{path}: its column answer stands there twice" in refused(path, "stats", capsys)


HEADER = "question,cot,answer\n"
ROW = json.dumps(GOOD[0])


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", HEADER + 'q,"c,1\nr,c,2\n', "row 1: it cannot be read (unexpected end of data)"),
        ("a.csv", "question,cot,answer,answer\nq,c,1,2\n", "its column answer stands there twice"),
        ("a.csv", (HEADER + "q,c,1\n\u00e9,c,2\n").encode("latin-1"), "row 2, column question: "),
        ("a.csv", (HEADER + "q,c,1\n").encode("utf-16"), "its header is not UTF-8"),
        ("a.jsonl", f'{ROW}\n{{"question": "\u00e9"}}'.encode("latin-1"), "row 2: it is not UTF-8"),
        ("a.json", f'[{ROW},\n{{"question": "\u00e9"}}]'.encode("latin-1"), "line 2: it is not U"),
        ("a.json", f"[{ROW},\n{ROW}\n{ROW}]", "line 3: JSON is malformed"),
        ("a.jsonl", f"{ROW[:-1]}\n{ROW}\n", "row 1: "),
        ("a.jsonl", f"{GOOD[0]}\n{ROW}\n", "row 1: JSON is malformed"),
        ("a.jsonl", '{"question": "q", "cot": "c", "answer": NaN}\n', "row 1: JSON is malformed"),
        ("a.json", '{"question": "q", "answer": "no mark"}\n', "column answer: '####' is missing"),
        ("a.arrow", b"ARROW1\0\0", "is an Arrow file"),
        ("a.arrow", b"\xff\xff\xff\xff\0\0", "is an Arrow file"),
    ],
)
def test_a_bad_file(
    name: str,
    content: str | bytes,
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    error = refused(path, "stats", capsys)
    assert complaint in error and str(path) in error


def test_blanks_around_the_names_and_fields_of_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text('question , cot, answer\n1?, c, "1,000"\n')
    assert run(["data", "show", str(path), "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["input"], shown["cot"], shown["answer"]) == ("1?", "c", "1,000")


def test_a_long_chain_of_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Python's csv reader takes 131,072 characters unless told otherwise."""
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}q,{'c ' * 200_000},1\n")
    assert run(["data", "show", str(path), "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert len(shown["cot"]) == 399_999


def test_numbers_of_json_stay_as_they_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    answers = ["0.00001", "1.10", "72.0", "3.14159265358979323846", "1e3"]
    rows = (f'{{"question": "q", "cot": "c", "answer": {one}}}\n' for one in answers)
    path.write_text("".join(rows))
    assert run(["data", "show", str(path), "--json", "-n", "9"]) == 0
    assert [row["answer"] for row in json.loads(capsys.readouterr().out)] == answers
