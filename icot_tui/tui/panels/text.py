"""Lines of styled text as plain data: assembled, paragraph, cut, and with bars.

A style is a few words: a colour of the theme (`primary`, `error`, ...) and `bold`, `dim`, `strike`,
`underline`, `reverse`. Text is sanitized as it becomes part of a line: nothing in it is markup or a
terminal control.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len, chop_cells, set_cell_size

from icot_tui.formatting import plain, short_of_all

Piece = tuple[str, str]
"""Text and its style."""
Line = tuple[Piece, ...]
EMPTY: Line = ()
WORD = re.compile(r"\s*\S+\s*|\s+")
"""A word with its blanks; a word of several pieces stays in pieces."""


@dataclass(frozen=True, kw_only=True)
class Glyphs:
    """The characters that panels draw with."""

    removed: str = "░"
    next: str = "▒"
    remaining: str = "█"
    ghost: str = "·"
    caret: str = "▲"
    right: str = "✓"
    wrong: str = "✗"
    done: str = "✓"
    down: str = "↓"
    ellipsis: str = "…"
    levels: str = "▁▂▃▄▅▆▇█"
    hollow: str = "─"
    arrow: str = "→ "


ASCII_LEVELS = "_.:-=+*#"
UNICODE = Glyphs()
ASCII = Glyphs(
    removed=".", next=">", remaining="#", ghost=".", caret="^", right="+", wrong="x", done="*",
    down="v", ellipsis="~", levels="", hollow="-", arrow="> ",
)  # fmt: skip


def glyphs(ascii_only: bool) -> Glyphs:
    """The characters for a terminal."""
    return ASCII if ascii_only else UNICODE


def line(*parts: str | Piece) -> Line:
    """A line of pieces; a plain string has no style."""
    pieces = ((part, "") if isinstance(part, str) else part for part in parts)
    return tuple((plain(text), style) for text, style in pieces if text)


def text_of(pieces: Line) -> str:
    """The line without its styles."""
    return "".join(text for text, _ in pieces)


def cells(pieces: Line) -> int:
    """The width of the line, in cells."""
    return sum(cell_len(text) for text, _ in pieces)


def cut(pieces: Line, width: int, ellipsis: str = "…") -> Line:
    """The line, cut to a width, with an ellipsis if anything is cut."""
    if cells(pieces) <= width:
        return pieces
    room = max(0, width - len(ellipsis))
    kept: list[Piece] = []
    for text, style in pieces:
        size = cell_len(text)
        if size > room:
            kept.append((set_cell_size(text, room) + ellipsis, style))
            break
        kept.append((text, style))
        room -= size
    return tuple(kept)


def first_fitting(width: int, *texts: str) -> str:
    """The first text that fits, or else the last."""
    return next((text for text in texts if cell_len(text) <= width), texts[-1])


def apart(left: Line, right: Line, width: int) -> Line:
    """Left and right at the two ends; without the right one if it does not fit."""
    gap = width - cells(left) - cells(right)
    return left if gap < 2 or not right else (*left, (" " * gap, ""), *right)


def wrap(pieces: Line, width: int, hang: int = 0) -> list[Line]:
    """The line wrapped between words; later lines are indented by `hang` cells."""
    if cells(pieces) <= width:
        return [pieces]
    hang = hang if hang < width // 2 else 0
    lines: list[list[Piece]] = [[]]
    used = begin = 0

    def break_line() -> None:
        nonlocal used, begin
        lines.append([(" " * hang, "")] if hang else [])
        used = begin = hang

    words = ((word, style) for text, style in pieces for word in WORD.findall(text))
    for word, style in words:
        if used > begin and used + cell_len(word.rstrip()) > width:
            break_line()
            word = word.lstrip()
        while used + cell_len(word.rstrip()) > width:
            head = chop_cells(word, max(1, width - used))[0] or word[0]
            lines[-1].append((head, style))
            word = word[len(head) :]
            break_line()
        lines[-1].append((word, style))
        used += cell_len(word)
    return [_without_end(each) for each in lines]


def paragraph(text: str, width: int, style: str = "") -> list[Line]:
    """A paragraph as lines."""
    return wrap(line((text, style)), width)


def bar(share: float, width: int, glyph: Glyphs, style: str = "primary") -> Line:
    """A bar filled to a share from 0 to 1."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return ((glyph.remaining * filled, style), (glyph.hollow * (width - filled), "dim"))


def whole_percents(share: float) -> int:
    """A share in percent; 0 and 100 only where none, or all, is meant."""
    return round(100 * short_of_all(share, 0.01))


def level(share: float, glyph: Glyphs) -> str:
    """One character, the higher the larger the share; in ASCII, percent."""
    if not glyph.levels:
        return f"{whole_percents(share)}"
    return _step(share, glyph.levels)


def _step(share: float, ramp: str) -> str:
    return ramp[round(min(max(share, 0.0), 1.0) * (len(ramp) - 1))]


def sparkline(shares: Sequence[float | None], width: int, glyph: Glyphs) -> str:
    """The last `width` shares from 0 to 1, one a cell, the newest at the right; blank: unknown."""
    ramp = glyph.levels or ASCII_LEVELS
    drawn = [" " if share is None else _step(share, ramp) for share in shares[-width:]]
    return "".join(drawn).rjust(width)


def columns(rows: Sequence[Sequence[Line]], gap: int = 2) -> list[Line]:
    """A table, each column as wide as its widest cell; the last one is not padded."""
    if not rows:
        return []
    widths = [max(cells(cell) for cell in column) for column in zip(*rows, strict=True)]
    made = []
    for row in rows:
        pieces: list[Piece] = []
        for cell, width in zip(row[:-1], widths, strict=False):
            pieces += [*cell, (" " * (width - cells(cell) + (gap if width else 0)), "")]
        made.append((*pieces, *row[-1]))
    return made


def _without_end(pieces: list[Piece]) -> Line:
    while pieces and not pieces[-1][0].rstrip():
        pieces.pop()
    if pieces:
        text, style = pieces[-1]
        pieces[-1] = text.rstrip(), style
    return _joined(pieces)


def _joined(pieces: list[Piece]) -> Line:
    """The same with one piece for neighbours of one style: a log keeps thousands of lines."""
    groups = groupby(pieces, key=itemgetter(1))
    return tuple(("".join(text for text, _ in group), style) for style, group in groups)
