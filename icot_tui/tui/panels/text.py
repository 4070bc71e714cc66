"""Lines of styled text as plain data: assembled, paragraph, cut, and with bars.

A style is a few words: a colour of the theme (`primary`, `error`, ...) and `bold`, `dim`, `strike`,
`underline`, `reverse`. Text is sanitized as it becomes part of a line: nothing in it is markup or a
terminal control.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from icot_tui.formatting import plain

Piece = tuple[str, str]
"""Text and its style."""
Line = tuple[Piece, ...]
EMPTY: Line = ()


@dataclass(frozen=True, kw_only=True)
class Glyphs:
    """The characters that panels draw with."""

    removed: str
    next: str
    remaining: str
    ghost: str
    caret: str
    right: str
    wrong: str
    done: str
    down: str
    ellipsis: str
    levels: str
    full: str
    hollow: str
    arrow: str


UNICODE = Glyphs(
    removed="░",
    next="▒",
    remaining="█",
    ghost="·",
    caret="▲",
    right="✓",
    wrong="✗",
    done="✓",
    down="↓",
    ellipsis="…",
    levels="▁▂▃▄▅▆▇█",
    full="█",
    hollow="─",
    arrow="→ ",
)
ASCII = Glyphs(
    removed=".",
    next=">",
    remaining="#",
    ghost=".",
    caret="^",
    right="+",
    wrong="x",
    done="*",
    down="v",
    ellipsis="~",
    levels="",
    full="#",
    hollow="-",
    arrow="> ",
)


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


def apart(left: Line, right: Line, width: int) -> Line:
    """Left and right at the two ends; without the right one if it does not fit."""
    gap = width - cells(left) - cells(right)
    return left if gap < 2 or not right else (*left, (" " * gap, ""), *right)


def wrap(pieces: Line, width: int, hang: int = 0) -> list[Line]:
    """The line paragraph between words; later lines are indented by `hang` cells."""
    if cells(pieces) <= width:
        return [pieces]
    hang = hang if hang < width // 2 else 0
    lines: list[list[Piece]] = [[]]
    used = begin = 0

    def break_line() -> None:
        nonlocal used, begin
        lines.append([(" " * hang, "")] if hang else [])
        used = begin = hang

    for word, style in _words(pieces):
        if used > begin and used + cell_len(word.rstrip()) > width:
            break_line()
            word = word.lstrip()
        while used + cell_len(word.rstrip()) > width:
            head, word = _split(word, width - used)
            lines[-1].append((head, style))
            break_line()
        lines[-1].append((word, style))
        used += cell_len(word)
    return [_without_end(each) for each in lines]


def paragraph(text: str, width: int, style: str = "") -> list[Line]:
    """A paragraph as lines."""
    return wrap(line((text, style)), width)


def clip(lines: Iterable[Line], width: int, height: int) -> list[Line]:
    """The first lines, cut to the width."""
    return [cut(each, width) for each in list(lines)[:height]]


def bar(share: float, width: int, glyph: Glyphs, style: str = "primary") -> Line:
    """A bar filled to a share from 0 to 1."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return ((glyph.full * filled, style), (glyph.hollow * (width - filled), "dim"))


def level(share: float, glyph: Glyphs) -> str:
    """One character, the higher the larger the share; in ASCII, percent."""
    if not glyph.levels:
        return f"{100 * share:.0f}"
    at = round(min(max(share, 0.0), 1.0) * (len(glyph.levels) - 1))
    return glyph.levels[at]


def columns(rows: Sequence[Sequence[Line]], gap: int = 2) -> list[Line]:
    """A table, each column as wide as its widest cell; the last one is not padded."""
    if not rows:
        return []
    widths = [max(cells(cell) for cell in column) for column in zip(*rows, strict=True)]
    made = []
    for row in rows:
        pieces: list[Piece] = []
        for cell, wide in zip(row[:-1], widths, strict=False):
            pieces += [*cell, (" " * (wide - cells(cell) + (gap if wide else 0)), "")]
        made.append((*pieces, *row[-1]))
    return made


def _words(pieces: Line) -> Iterable[Piece]:
    """Words with their trailing blanks; a word of several pieces stays in pieces."""
    for text, style in pieces:
        for word in re.findall(r"\s*\S+\s*|\s+", text):
            yield word, style


def _without_end(pieces: list[Piece]) -> Line:
    """The line without trailing blanks."""
    while pieces and not pieces[-1][0].rstrip():
        pieces.pop()
    if pieces:
        text, style = pieces[-1]
        pieces[-1] = text.rstrip(), style
    return tuple(pieces)


def _split(word: str, room: int) -> tuple[str, str]:
    """What fits, at least one character, and the rest."""
    at, used = 0, 0
    for character in word:
        used += cell_len(character)
        if at and used > room:
            break
        at += 1
    return word[:at], word[at:]
