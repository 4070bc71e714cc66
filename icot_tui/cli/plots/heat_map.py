"""Tables of numbers whose cells are shaded."""

import math
from collections.abc import Sequence

from rich.text import Text

from icot_tui.cli.plots.canvas import PlotextCanvas
from icot_tui.cli.plots.look import Look

CELL = 7
"""Columns of the terminal for a cell."""

Cell = tuple[str, float | None]
"""Text, and the value that shades it; None: it has no shade."""
SHADES = (
    (0.5, ("black", "#fde725")),
    (0.25, ("black", "#5ec962")),
    (0.1, ("white", "#21918c")),
    (-math.inf, ("white", "#3b528b")),
)
"""From these values on: colour and background of a cell, after matplotlib's viridis."""


def draw_heat_map(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Cell]]],
    look: Look,
) -> Text:
    """A shaded table; columns that do not fit beside the others go below.

    Args:
        rows: (label, cells) of each, from top to bottom.
    """
    room = look.width - 1 - max(len(label) for label, _ in rows)
    beside = max(1, room // CELL)
    parts = [Text(title)]
    for begin in range(0, len(columns), beside):
        names = columns[begin : begin + beside]
        left = [(len(rows) - 1 - row, label) for row, (label, _) in enumerate(rows)]
        below = [(CELL * place + CELL // 2, name) for place, name in enumerate(names)]
        canvas = PlotextCanvas(
            CELL * len(names), len(rows), left=left, below=below, ascii=look.ascii
        )
        for row, (_, cells) in enumerate(rows):
            for place, (text, value) in enumerate(cells[begin : begin + beside]):
                colour, background = "", ""
                if value is not None and look.colour:
                    colour, background = _shade(value)
                canvas.cell(CELL * place, left[row][0], text.center(CELL), colour, background)
        parts.append(canvas.render(blanks=look.colour))
    return Text("\n").join(parts)


def _shade(value: float) -> tuple[str, str]:
    """Colour and background of a cell."""
    return next(shade for least, shade in SHADES if value >= least)
