"""A heading with numbers three rows high, for panels with spare rows."""

import re

from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.text import Line, Piece, line

ROWS = (
    "┏━┓ ╺┓  ╺━┓ ╺━┓ ╻ ╻ ┏━╸ ┏━╸ ╺━┓ ┏━┓ ┏━┓",
    "┃ ┃  ┃  ┏━┛  ━┫ ┗━┫ ┗━┓ ┣━┓   ┃ ┣━┫ ┗━┫",
    "┗━┛ ╺┻╸ ┗━╸ ╺━┛   ╹ ╺━┛ ┗━┛   ╹ ┗━┛ ╺━┛",
)
"""The digits 0 to 9, four cells each."""


def large_heading(text: str, area: Area) -> list[Line]:
    """`stage 3 of 8   5 tokens left` with large numbers before the blanks; empty in ASCII.

    Words are on the middle row; what follows two or more blanks stays small, at the right.
    """
    if area.ascii:
        return []
    title, _, rest = text.partition("  ")
    lines = []
    for row in range(3):
        pieces: list[str | Piece] = []
        used = 0
        for part in re.findall(r"[0-9]|[^0-9]+", title.replace(",", "")):
            shown = _digit(part, row) if part.isdigit() else part if row == 1 else " " * len(part)
            pieces.append((shown, "bold primary"))
            used += len(shown)
        rest_shown = rest.strip() if row == 1 else ""
        if rest_shown and used + len(rest_shown) + 2 <= area.width:
            style = "bold success" if rest_shown.startswith(area.glyph.done) else "dim"
            pieces += [" " * (area.width - used - len(rest_shown)), (rest_shown, style)]
        lines.append(line(*pieces))
    return lines


def _digit(digit: str, row: int) -> str:
    begin = 4 * int(digit)
    return ROWS[row][begin : begin + 3]
