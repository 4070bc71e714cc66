"""A heat map as plain data, and how it becomes cells of the terminal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHADES, ASCII_SHADES = " ░▒▓█", " .:+#"
LEVELS = len(SHADES) - 1
WIDEST, NARROWEST = 7, 3
"""Cells of the terminal that a column takes."""
LABEL = 8
"""Cells of the rows' names."""
ENCODED, READ, TOLD = "#", "*", "()"


@dataclass(frozen=True, eq=False)
class HeatMap:
    """R rows, drawn from the last one down to the first, and C columns.

    title    what is seen
    rows     [R] names, at most LABEL - 1 characters
    columns  [C] names
    tokens   [C] what stands there in this question; empty where many are averaged
    values   [R, C]; NaN where nothing was measured
    low, high  values of the faintest and the strongest shade
    texts    [R][C] the value in at most 4 characters
    marks    [R][C] ENCODED, READ, TOLD (reading there proves nothing) or nothing
    tells    [R][C] the cell in words
    words    what is shown and what may be concluded, a sentence or two each
    start    where the cursor begins
    reader   column that reads (attention); None elsewhere
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tokens: tuple[str, ...]
    values: NDArray[np.float64]
    low: float
    high: float
    texts: tuple[tuple[str, ...], ...]
    marks: tuple[tuple[str, ...], ...]
    tells: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    start: tuple[int, int] = (0, 0)
    reader: int | None = None

    def level(self, row: int, column: int) -> int:
        """0 to LEVELS, how strongly the cell is shaded."""
        value = float(self.values[row, column])
        if value != value or self.high <= self.low:
            return 0
        share = (value - self.low) / (self.high - self.low)
        return round(min(max(share, 0.0), 1.0) * LEVELS)


@dataclass(frozen=True)
class Fit:
    """How much of a map there is room for.

    cell   columns of the terminal for each column of the map
    first  the first column that is seen
    count  how many are
    """

    cell: int
    first: int
    count: int


def fit(columns: int, width: int, cursor: int) -> Fit:
    """As many columns as fit, the cursor's among them."""
    room = max(NARROWEST, width - LABEL)
    cell = min(WIDEST, max(NARROWEST, room // max(columns, 1)))
    if cell in (NARROWEST, NARROWEST + 1) and columns * 5 > room and columns * NARROWEST > room:
        cell = 5  # not all fit anyway: then those that are seen tell their numbers
    count = max(1, min(columns, room // cell))
    first = min(max(0, cursor - count // 2), columns - count)
    return Fit(cell, first, count)


def cell_text(heat: HeatMap, row: int, column: int, width: int, shades: str, plain: bool) -> str:
    """One cell, so wide; where colours don't shade it, signs do."""
    mark, text = heat.marks[row][column], heat.texts[row][column]
    shade = shades[heat.level(row, column)]
    inner = width - 1  # a blank keeps the columns apart
    if inner < 4:
        body = shade * (inner - 1) + (mark if mark in (ENCODED, READ) else " ")
        return f"{body} " if plain else f"{body}{shade if shade == ' ' else ' '}"
    opening, closing = ("(", ")") if mark == TOLD else ("", mark)
    body = f"{opening}{text}{closing}"
    if mark and len(body) > inner:
        body = f"{opening}{text.lstrip('+')}{closing}"
        if mark == TOLD and text.startswith("-"):
            body = "(-)"
        if len(body) == width:  # the bracket keeps them apart
            return body
    if plain and len(body) < inner:
        body = shade + body.rjust(inner - 1)
    return f"{body[:inner].rjust(inner)} "


def as_text(heat: HeatMap) -> str:
    """The map as a plain table, to be copied."""
    lines = [heat.title, "\t".join(("", *heat.columns))]
    if heat.tokens:
        lines.append("\t".join(("", *heat.tokens)))
    for row in reversed(range(len(heat.rows))):
        cells = (f"{t}{m[:1]}" for t, m in zip(heat.texts[row], heat.marks[row], strict=True))
        lines.append("\t".join((heat.rows[row], *cells)))
    return "\n".join((*lines, *heat.words))
