"""TOML as tables: read with the line of each key, and written value by value."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from icot_tui.errors import UserError
from icot_tui.files import read_file

LARGEST = 16 << 20
"""Bytes of a file that is read at all."""

MOST_READ = 1 << 19
"""Characters that are read once more to find the lines of keys; later keys are told without."""

KeyPath = tuple[str | int, ...]
Table = dict[str, Any]


def read_toml(path: Path) -> tuple[Table, dict[KeyPath, int]]:
    """The file's content, and the line of each of its keys; a UserError if it is not TOML."""
    try:
        text = read_file(path, LARGEST).decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text), key_lines(text)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8; save it as UTF-8") from error
    except RecursionError as error:
        raise UserError(f"{path}: its lists or tables are nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        place = re.fullmatch(r"(.*?) \(at (?:line (\d+), column (\d+)|.*)\)", str(error), re.DOTALL)
        what, line, column = place.groups() if place else (str(error), None, None)
        where = f"{path}:{line or text.count(chr(10)) + 1}"
        at = f" at column {column}" if column else ""
        advice = "; text needs double quotes" if what == "Invalid value" else ""
        what = what[:1].lower() + what[1:]
        raise UserError(f"{where}: this is not TOML{at}: {what}{advice}") from error


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line of each key and table of a valid TOML text; of a huge one, of the first ones.

    Lines are handed to tomllib until they make a statement, so whatever TOML allows (dotted keys,
    inline tables, values over several lines) is placed without a grammar of our own.
    """
    lines: dict[KeyPath, int] = {}
    entries: Counter[KeyPath] = Counter()
    table: KeyPath = ()
    statement, start, read = "", 1, 0
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        if line.rstrip().endswith(",") and "#" not in line:
            continue  # no statement ends so
        if (read := read + len(statement)) > MOST_READ:
            break
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _table_of_header(parsed, entries)
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], start)
        else:
            for path in _paths(parsed):
                lines.setdefault(table + path, start)
        statement, start = "", number + 1
    return lines


def _table_of_header(parsed: Table, entries: Counter[KeyPath]) -> KeyPath:
    """Path of `[a.b]` or `[[a.b]]`; `entries` counts the entries of each array of tables."""
    table: KeyPath = ()
    node: Any = parsed
    while node:
        key, node = next(iter(node.items()))
        table = (*table, key)
        if isinstance(node, list):
            entries[table] += 1
            node = node[0]
        if table in entries:
            table = (*table, entries[table] - 1)
    return table


def _paths(value: Any, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield (*prefix, key)
        yield from _paths(child, (*prefix, key))


def toml_value(value: Any) -> str:
    """One value as TOML on one line; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, dict):
        pairs = (f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def toml_key(key: str) -> str:
    """A key as TOML, in quotes where it needs them."""
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def leaves(table: Table, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Each value of nested tables with its path; lists and empty tables count as values."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value
