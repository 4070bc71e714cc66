"""Rows of JSON: a row a line, a list of rows, a list a column, or ProntoQA's examples by key."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from icot_tui.data.examples import NOT_UTF8
from icot_tui.errors import UserError, first_line

Row = dict[str, Any]
_JSON = msgspec.json.Decoder(float_hook=str)
"""A number with a fraction or an exponent stays as it is written."""
_JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_NEWLINE = b"\n"


def json_rows(path: Path) -> Iterator[Any]:
    """The rows of a file, of whatever kind; a UserError names the row or line that is no JSON."""
    with open(path, "rb") as file:
        first = file.readline().removeprefix(b"\xef\xbb\xbf")
        try:
            row = _JSON.decode(first)
        except _JSON_ERRORS:
            row = None  # one value over several lines, or a bad row
        second = file.readline()
        of_lists = isinstance(row, dict) and second.strip()  # rows, although it looks like a table
        if _is_row(row) or of_lists or (row is None and path.suffix == ".jsonl"):
            yield from _rows_of_lines(path, chain([first, second], file))
        else:
            yield from _rows_of_whole(path, first + second + file.read())


def _rows_of_lines(path: Path, lines: Iterable[bytes]) -> Iterator[Any]:
    for number, line in enumerate(filter(bytes.strip, lines), start=1):
        try:
            yield _JSON.decode(line)
        except _JSON_ERRORS as error:
            raise UserError(f"{path}, row {number}: {_problem(error)}") from error


def _rows_of_whole(path: Path, text: bytes) -> Iterable[Any]:
    """Rows of a list, of a list under the only key, of one list a column, or of ProntoQA."""
    try:
        whole = _JSON.decode(text)
    except _JSON_ERRORS as error:
        raise UserError(f"{path}{_line(text, error)}: {_problem(error)}") from error
    if not isinstance(whole, dict):
        return whole if isinstance(whole, list) else [whole]
    if _is_prontoqa(whole):
        return map(_prontoqa_row, whole.values())
    if not _is_table(whole):
        return [whole]
    lists = list(whole.values())
    if len(lists) == 1:
        return list(lists[0])
    if len({*map(len, lists)}) > 1:
        raise UserError(f"{path}: its columns {', '.join(whole)} have different lengths")
    return (dict(zip(whole, values, strict=True)) for values in zip(*lists, strict=True))


def _line(text: bytes, error: Exception) -> str:
    """`, line 3`, if the error is known to be at some byte."""
    at = _AT_BYTE.search(str(error))
    place = int(at[1]) if at else _first_bad_byte(text)
    return "" if place is None else f", line {1 + text[:place].count(_NEWLINE)}"


def _first_bad_byte(text: bytes) -> int | None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _problem(error: Exception) -> str:
    return NOT_UTF8 if isinstance(error, UnicodeDecodeError) else first_line(error)


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and not _is_table(value) and not _is_prontoqa(value)


def _is_table(row: Row) -> bool:
    return bool(row) and all(isinstance(value, list) for value in row.values())


def _is_prontoqa(whole: Row) -> bool:
    """Is it as ProntoQA's generator writes it, an example under each of the keys?"""
    return bool(whole) and all(
        isinstance(value, dict) and isinstance(value.get("test_example"), dict)
        for value in whole.values()
    )


def _prontoqa_row(value: Row) -> Row:
    """The example that is asked, whose question is told in two columns."""
    row: Row = value["test_example"]
    if isinstance(row.get("question"), str) and isinstance(row.get("query"), str):
        return row | {"question": f"{row['question']} {row['query']}"}
    return row
