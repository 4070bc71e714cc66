"""The table that `icot-tui runs list` prints."""

import sys
from collections.abc import Sequence

from icot_tui.cli.console import print_table
from icot_tui.formatting import age, plain, short_percent
from icot_tui.output import say
from icot_tui.watch.filters import TITLES, in_words, value_of
from icot_tui.watch.runs import RunLine

DISPENSABLE = ("note", "began", "steps", "method", "tags", "best")
"""Columns that a narrow terminal does without, the first one first."""
SHOWN = ("name", "status", "method", "removed", "accuracy", "best", "steps", "began", "tag", "note")
"""Keys that have their column anyway."""


def print_runs(lines: Sequence[RunLine], keys: Sequence[str]) -> None:
    """A row for each run, with a column for each key that was asked for."""
    more = [key for key in dict.fromkeys(keys) if TITLES.get(key, key) not in SHOWN]
    headers = ["run", "status", "method", "removed", "exact match", "best", "steps", "began"]
    rows = [[*_row(line), *(in_words(value_of(line, key)) for key in more)] for line in lines]
    headers += more
    for header, texts in (
        ("tags", [", ".join(line.tags) for line in lines]),
        ("note", [line.note for line in lines]),
    ):
        if any(texts):
            headers.append(header)
            rows = [[*row, text] for row, text in zip(rows, texts, strict=True)]
    print_table(headers, rows, dispensable=DISPENSABLE)
    if sys.stdout.isatty() and len(lines) > 1:
        names = " ".join(plain(line.name) for line in lines[:2])
        say(f"How two of them differ: icot-tui runs compare {names}")


def _row(line: RunLine) -> list[str]:
    return [
        line.name,
        line.status,
        line.method,
        f"{line.stage} of {line.of}" if line.of else "",
        "" if line.accuracy is None else short_percent(line.accuracy),
        "" if line.best is None else short_percent(line.best),
        f"{line.step:,}",
        "" if line.age is None else age(line.age),
    ]
