"""How the columns of a table fit into a terminal: no word is cut that a line has room for."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

LONGEST_WORD = 20
"""Cells that a longer word may be folded to."""
BEFORE, BETWEEN = 1, 2
"""Blanks at a line's beginning, and after each column."""


@dataclass(frozen=True)
class Column:
    """Cells that a column takes: as it is, and at least, where its texts are broken."""

    natural: int
    least: int

    @classmethod
    def of(cls, cells: Sequence[str], least: int = 0) -> "Column":
        """Of a heading and what stands below; longer texts get `least` cells or more."""
        natural = max((cell_len(line) for cell in cells for line in cell.split("\n")), default=0)
        longest = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
        return cls(natural, min(natural, max(least, min(longest, LONGEST_WORD))))


def line_width(widths: Sequence[int]) -> int:
    """Cells of a line with columns of these widths."""
    return BEFORE + sum(widths) + BETWEEN * len(widths)


def groups(columns: Sequence[Column], room: int) -> list[list[int]]:
    """Places of the columns that stand side by side; the first one begins each group."""
    found = [[0]]
    for place in range(1, len(columns)):
        beside = [*found[-1], place]
        if len(found[-1]) == 1 or line_width([columns[at].least for at in beside]) <= room:
            found[-1] = beside
        else:
            found.append([0, place])
    return found


def widths(columns: Sequence[Column], room: int) -> list[int]:
    """Cells of each column of one group: what it needs, and then the narrowest ones first."""
    found = [column.least for column in columns]
    while line_width(found) > max(room, line_width([1] * len(found))):
        found[found.index(max(found))] -= 1
    for _ in range(room - line_width(found)):
        short = [at for at, column in enumerate(columns) if found[at] < column.natural]
        if not short:
            break
        found[min(short, key=found.__getitem__)] += 1
    return found
