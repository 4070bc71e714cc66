"""Writes the table of docs/families.md: every family with every feature, in a few minutes.

python -m tests.families.matrix [FAMILY ...]
"""

import fcntl
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import accelerate
import peft
import torch
import transformers

from icot_tui.errors import UserError
from icot_tui.models.behaviour import Behaviour, behaviour
from icot_tui.models.device import silence_transformers
from tests.families.configs import FAMILIES, tiny_model
from tests.families.features import FEATURES, Family

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
MARK = "<!-- written by tests/families/matrix.py -->\n"
RIGHT, REFUSED, WRONG = "yes", "refused", "WRONG"
Row = dict[str, str]
"""Cells by the heads of their columns."""


def tried(family: Family, feature: str) -> str:
    """What comes of a feature."""
    try:
        getattr(family, feature)()
    except UserError as error:
        print(f"{family.name} {feature}: refused: {error}", flush=True)
        return REFUSED
    except Exception as error:
        print(f"{family.name} {feature}: WRONG: {type(error).__name__}: {error}", flush=True)
        if "-v" in sys.argv:
            traceback.print_exc()
        return WRONG
    return RIGHT


def row(name: str) -> Row:
    """A family's line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        family = Family(name, Path(folder))
        found = {feature: tried(family, feature) for feature in FEATURES}
    return {"family": name} | found | cells(behaviour(tiny_model(name)))


def cells(seen: Behaviour) -> Row:
    """What was seen, as it stands in the table."""
    facts = {"positions": seen.uses_positions, "cache": seen.uses_cache}
    return {name: "yes" if fact else "no" for name, fact in facts.items()}


def read_rows() -> dict[str, Row]:
    """The lines of the table, by their families."""
    return rows_of(PAGE.read_text().partition(MARK)[2])


def rows_of(table: str) -> dict[str, Row]:
    """Lines of a table in Markdown, by their first cell."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if "| " in line]
    heads, _, *rows = lines or [[], []]
    return {line[0]: dict(zip(heads, line, strict=True)) for line in rows}


def main() -> None:
    warnings.simplefilter("ignore")
    silence_transformers()
    names = [name for name in sys.argv[1:] if name != "-v"] or list(FAMILIES)
    for name in names:
        put(row(name))
    print("done")


def put(found: Row) -> None:
    """Put a family's line into the page, in its place; others may do the same at the time."""
    with PAGE.open("r+") as page:
        fcntl.flock(page, fcntl.LOCK_EX)
        text, _, table = page.read().partition(MARK)
        known = rows_of(table) | {found["family"]: found}
        rows = [list(known[name].values()) for name in FAMILIES if name in known]
        wrong = sum(WRONG in line for line in rows)
        libraries = (transformers, torch, peft, accelerate)
        versions = ", ".join(f"{one.__name__} {one.__version__}" for one in libraries)
        page.seek(0)
        page.write(
            f"{text}{MARK}\n{len(rows)} families, {wrong} of them wrong, with {versions}.\n\n"
        )
        for line in (list(found), ["---"] * len(found), *rows):
            page.write("| " + " | ".join(line) + " |\n")
        page.truncate()


if __name__ == "__main__":
    main()
