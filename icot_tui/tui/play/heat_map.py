"""A heat map as plain data, and how it becomes cells of the terminal."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.formatting import whole_share

SHADES, ASCII_SHADES = " ░▒▓█", " .:+#"
LEVELS = len(SHADES) - 1
WIDEST, NARROWEST = 16, 3
"""Cells of the terminal that a column takes."""
TALLEST = 5
"""Lines of the terminal that a row takes at most."""
LABEL = 8
"""Cells of the rows' names."""
ENCODED, READABLE, GIVEN = "#", "*", "()"
"""Marks of cells; GIVEN: the tokens before already give it away, so that reading proves nothing."""
Cells = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeatMap:
    """R rows, drawn from the last one down to the first, and C columns.

    title    what is shown
    rows     [R] names, at most LABEL - 1 characters
    columns  [C] names
    tokens   [C] of this question; empty where many are averaged
    values   [R, C]; NaN where nothing was measured
    high     value of the strongest shade; that of the faintest is 0
    texts    [R][C] the value in at most 4 characters
    marks    [R][C] ENCODED, READABLE, GIVEN or nothing
    details  [R][C] the cell in words
    captions what is shown and what may be concluded, a sentence or two each
    start    where the cursor begins
    reader   the column whose attention is shown; None in other views
    meanings [C] the columns' names in words; empty where the captions explain them
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tokens: tuple[str, ...] = ()
    values: NDArray[np.float64]
    high: float
    texts: Cells
    marks: Cells
    details: Cells
    captions: tuple[str, ...]
    start: tuple[int, int] = (0, 0)
    reader: int | None = None
    meanings: tuple[str, ...] = ()

    def told(self, row: int, column: int) -> str:
        """A cell in words, and what its column's name means."""
        means = self.meanings[column] if self.meanings else ""
        detail = self.details[row][column]
        return f"{detail} ({self.columns[column]}: {means})" if means else detail

    @property
    def headings(self) -> int:
        """Lines above the rows."""
        return 2 if self.tokens else 1

    def level(self, row: int, column: int) -> int:
        """0 to LEVELS, how strongly the cell is shaded."""
        value = float(self.values[row, column])
        if value != value or self.high <= 0:
            return 0
        return round(min(max(value / self.high, 0.0), 1.0) * LEVELS)


def cells(values: NDArray[np.float64], text: Callable[[int, int], str]) -> Cells:
    """A text for each cell, from its row and column."""
    rows, columns = values.shape
    return tuple(tuple(text(row, column) for column in range(columns)) for row in range(rows))


def percents(values: NDArray[np.float64]) -> Cells:
    """Whole percents; nothing where there is no value."""
    return cells(values, lambda *cell: "" if np.isnan(values[cell]) else whole_share(values[cell]))


def no_marks(values: NDArray[np.float64]) -> Cells:
    """A map without marks."""
    return cells(values, lambda row, column: "")


def highest(values: NDArray[np.float64]) -> tuple[int, int]:
    """The cell with the highest value."""
    row, column = np.unravel_index(int(np.nan_to_num(values, nan=-1.0).argmax()), values.shape)
    return int(row), int(column)


@dataclass(frozen=True)
class Fit:
    """How much of a map there is room for.

    cell   cells of the terminal for each column of the map
    first  the first visible column
    count  how many are visible
    """

    cell: int
    first: int
    count: int


def fit(columns: int, width: int, cursor: int) -> Fit:
    """As many columns as fit, the cursor's among them."""
    room = max(NARROWEST, width - LABEL)
    cell = min(WIDEST, max(NARROWEST, room // max(columns, 1)))
    if cell in (NARROWEST, NARROWEST + 1) and columns * 5 > room and columns * NARROWEST > room:
        cell = 5  # not all fit anyway: then the visible ones show their numbers
    count = max(1, min(columns, room // cell))
    first = min(max(0, cursor - count // 2), columns - count)
    return Fit(cell, first, count)


def cell_text(heat: HeatMap, row: int, column: int, width: int, shades: str, plain: bool) -> str:
    """One cell of this width; `plain` shades with characters instead of colours."""
    mark, text = heat.marks[row][column], heat.texts[row][column]
    shade = shades[heat.level(row, column)]
    inner = width - 1  # the last one separates the columns
    if inner < 4:
        return shade * (inner - 1) + (mark if mark in (ENCODED, READABLE) else " ") + " "
    opening, closing = ("(", ")") if mark == GIVEN else ("", mark)
    body = f"{opening}{text}{closing}"
    if mark and len(body) > inner:
        body = f"{opening}{text.lstrip('+')}{closing}"
        if mark == GIVEN and text.startswith("-"):
            body = "(<0)"
        if len(body) == width:  # the bracket separates the columns
            return body
    if plain and len(body) < inner:
        body = shade + body.rjust(inner - 1)
    return f"{body[:inner].rjust(inner)} "


def as_text(heat: HeatMap) -> str:
    """The map as a table of plain text."""
    lines = [heat.title, "\t".join(("", *heat.columns))]
    if heat.tokens:
        lines.append("\t".join(("", *heat.tokens)))
    for row in reversed(range(len(heat.rows))):
        texts = (f"{t}{m[:1]}" for t, m in zip(heat.texts[row], heat.marks[row], strict=True))
        lines.append("\t".join((heat.rows[row], *texts)))
    return "\n".join((*lines, *heat.captions))
