"""How the list of runs writes a run in a row: its columns, and what it is about."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from icot_tui.formatting import age, percent, plain
from icot_tui.tui.frame.header import COLOURS
from icot_tui.watch.differences import differing_keys
from icot_tui.watch.filters import in_words
from icot_tui.watch.runs import RunLine

MOST_OF_A_NAME = (22, 40)
"""Cells that a name may take, in narrow and in wide terminals."""
BEGAN_WIDTH = 14
METHODS = {"No CoT": "no CoT", "Explicit CoT": "explicit", "ICoT-KD": "distilled"}
"""What stands in place of the stage for methods without stages."""
SORTED: Mapping[str, Callable[[RunLine], str]] = {
    "best": lambda line: "" if line.best is None else percent(line.best),
    "steps": lambda line: f"{line.step:,}",
}
"""What stands in place of the time when the list is sorted by it: else it has no column."""
UNTOLD = ("name", "description")
"""Keys of a config that every run has a value of its own for, or a text."""


def name_width(lines: Sequence[RunLine], roomy: bool) -> int:
    """Cells of the column with the names."""
    longest = max((cell_len(plain(line.name)) for line in lines), default=0)
    return min(MOST_OF_A_NAME[roomy], longest + 1)


def heading(width: int, sorted_by: str) -> str:
    """The names of the columns."""
    last = f"{sorted_by:>9}" if sorted_by in SORTED else "began"
    return (
        f"   {'run':<{width}} {'status':<10}{'stage':>9} {'exact':>9}  {last:<{BEGAN_WIDTH}}about"
    )


def run_row(line: RunLine, marks: str, width: int, sorted_by: str, about: str) -> Content:
    """A run after two marks: its columns, its tags, and its note or else what it is about."""
    stage = METHODS.get(line.method, "" if line.of is None else f"{line.stage} of {line.of}")
    accuracy = "" if line.accuracy is None else percent(line.accuracy)
    last = "" if line.age is None else age(line.age)
    if sorted_by in SORTED:
        last = f"{SORTED[sorted_by](line):>9}"
    columns = Content.assemble(
        (f"{marks} ", "bold $accent"),
        (f"{set_cell_size(plain(line.name), width)} ", "bold"),
        (f"{line.status:<10}", COLOURS.get(line.status, "$error")),
        f"{stage:>9} {accuracy:>9}  ",
        (f"{last:<{BEGAN_WIDTH}}", "" if sorted_by in SORTED else "dim"),
    )
    return Content.assemble(
        columns,
        (plain("".join(f"#{tag} " for tag in line.tags)), "$secondary"),
        (plain(line.note or about), "dim"),
    )


def subjects(lines: Sequence[RunLine]) -> dict[Path, str]:
    """What each run is about, by its folder.

    Its description; where all have the same one, the settings that are not the same in all.
    """
    known = [line for line in lines if line.config]
    if len(known) < 2 or len({line.description for line in known}) > 1:
        return {line.folder.path: line.description for line in lines}
    keys = [key for key in differing_keys([one.config for one in known]) if key not in UNTOLD]
    return {line.folder.path: _settings(line, keys) for line in known}


def _settings(line: RunLine, keys: Sequence[str]) -> str:
    return ", ".join(f"{key.rpartition('.')[2]} {_value(line.config.get(key))}" for key in keys)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else in_words(value) or "none"
