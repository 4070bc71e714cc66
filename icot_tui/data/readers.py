"""Files of rows: JSON, CSV and Parquet, and folders of such.

Values are those of the file: `datasets` guesses types (007 becomes 7, 72 beside a blank 72.0, a
year a date; findings/datasets-csv-answers.sh), so it reads only what has no such files (`library`).
"""

import csv
import json
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from icot_tui.data.examples import flaw
from icot_tui.data.json_rows import Row, json_rows
from icot_tui.data.plain_numbers import plain_numbers
from icot_tui.errors import UserError, first_line
from icot_tui.files import file_head, refuse_wrong_kind

SUFFIXES = (".txt", ".json", ".jsonl", ".csv", ".tsv", ".parquet")
SPLIT_FILES = {
    "train": ("train",),
    "validation": ("valid", "dev"),
    "test": ("test",),
    "ood": ("ood",),
}
"""How the names of a folder's files begin, by split."""
BATCH = 4096
"""Rows of a Parquet file in memory at once."""
CSV_FIELD = 1 << 27
"""Characters of a field of CSV that are read; Python's limit of 131,072 is too low for chains."""


def kind_of(path: Path) -> str:
    """What a file holds, by its content, and a CSV file by its name; text if nothing else.

    Raises:
        UserError: it cannot be read, or holds no examples at all: a pointer, a page, an archive.
    """
    head = file_head(path)
    if head.startswith(b"PAR1"):
        return "Parquet"
    refuse_wrong_kind(path, head)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    named_so = path.suffix in (".json", ".jsonl")
    inner = start[1:].lstrip()[:1]
    if start[:1] in (b"{", b"[") and (named_so or inner in (b'"', b"{", b"}", b"]")):
        return "JSON"
    return "CSV" if path.suffix in (".csv", ".tsv") else "text"


def split_files(folder: Path, split: str) -> list[Path]:
    """The files of a split in a folder or in its folder `data`; a UserError if there are none."""
    files = [path for path in chain(folder.iterdir(), folder.glob("data/*")) if path.is_file()]
    begins = SPLIT_FILES[split]
    found = sorted(p for p in files if p.name.startswith(begins) and p.suffix in SUFFIXES)
    if not found:
        there = ", ".join(sorted(path.name for path in files)[:8]) or "no files"
        raise UserError(
            f"{folder} has no {split} file, whose name begins with '{begins[0]}' and ends with "
            f"{', '.join(SUFFIXES)}; it has {there}"
        )
    return found


def read_rows(path: Path, kind: str) -> Iterator[tuple[int, Row]]:
    """Row numbers from 1, and rows of a file that is no text.

    Raises:
        UserError: it is damaged, or its rows are no tables of columns; file and row are named.
    """
    rows = {"JSON": json_rows, "CSV": _csv_rows, "Parquet": _parquet_rows}[kind](path)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: columns are missing, it is {_short(row)}")
        yield number, row


def _csv_rows(path: Path) -> Iterator[Any]:
    delimiter = "\t" if path.suffix == ".tsv" else ","
    csv.field_size_limit(CSV_FIELD)
    number = 0
    # What is no UTF-8 is kept as surrogates, so that its row and column can be named.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        table = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            names = _csv_header(path, next(table, []))
            for number, fields in enumerate(filter(None, table), start=1):
                if len(fields) > len(names):
                    raise UserError(f"{path}, row {number}: it has more fields than the header")
                yield dict(zip_longest(names, fields))
        except csv.Error as error:
            raise UserError(f"{path}, row {number + 1}: it cannot be read ({error})") from error


def _csv_header(path: Path, fields: list[str]) -> list[str]:
    names = [name.strip() for name in fields]
    if flaw("".join(names)):
        raise UserError(f"{path}: its header is not UTF-8; save the file as UTF-8")
    _refuse_twice(path, names)
    return names


def _refuse_twice(path: Path, names: list[str]) -> None:
    if twice := [name for at, name in enumerate(names) if name in names[:at]]:
        raise UserError(f"{path}: its column {twice[0]} stands there twice")


def _parquet_rows(path: Path) -> Iterator[Any]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            _refuse_twice(path, file.schema_arrow.names)
            plain = plain_numbers(file.schema_arrow)
            for batch in file.iter_batches(BATCH):
                rows = batch.to_pylist()
                for row in rows if plain else ():
                    row.update((name, number(row[name])) for name, number in plain.items())
                yield from rows
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} is a damaged Parquet file ({first_line(error)})") from error


def has_plain_numbers(path: Path) -> bool:
    """Is it a Parquet file some of whose numbers are not read as pyarrow reads them?"""
    if kind_of(path) != "Parquet":
        return False
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        return bool(plain_numbers(read_schema(path)))
    except (ArrowException, OSError):  # told by whoever reads its rows
        return False


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
