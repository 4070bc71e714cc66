"""Character cells to draw on, and the finished drawing."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from icot_tui.formatting import plain

Cells = NDArray[np.uint32]
Inks = NDArray[np.uint8]
Weight = Literal["plain", "quiet", "faint", "bold"]


class Ink(NamedTuple):
    """A colour's name and its weight."""

    colour: str
    weight: Weight = "plain"


Run = tuple[str, Ink]
"""Text in one ink."""

HALF = "\0"
"""Stands for the right half of a wide character."""
BLANK = Ink("foreground")
QUIET, LINE = Ink("foreground", "quiet"), Ink("foreground", "faint")
"""For labels and notes, and for axes."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A finished drawing: a code point (0: the right half of a wide character) and ink per cell."""

    cells: Cells
    inks: Inks
    palette: tuple[Ink, ...]

    def texts(self) -> list[str]:
        """The characters of each line, one for each cell."""
        height, width = self.cells.shape
        text = self.cells.astype("<u4").tobytes().decode("utf-32-le", "replace")
        return [text[y * width : (y + 1) * width] for y in range(height)]

    def lines(self) -> list[str]:
        """The lines as text; each is as wide as the frame."""
        return [text.replace(HALF, "") for text in self.texts()]


class Canvas:
    """Cells to draw on; what falls outside is cut off."""

    def __init__(self, width: int, height: int) -> None:
        self.cells = np.full((max(height, 0), max(width, 0)), ord(" "), np.uint32)
        self.inks = np.zeros(self.cells.shape, np.uint8)
        self._palette: dict[Ink, int] = {BLANK: 0}
        self._wide: set[int] = set()

    def ink(self, ink: Ink) -> int:
        """The number that stands for this ink in `inks`."""
        return self._palette.setdefault(ink, len(self._palette))

    def write(self, x: int, y: int, text: str, ink: Ink) -> int:
        """Write one line of text (made of `fit` text); returns the column after it."""
        height, width = self.cells.shape
        number = self.ink(ink)
        if text.isascii() and 0 <= y < height and x >= 0 and x + len(text) <= width:
            end = x + len(text)
            self.cells[y, x:end] = np.frombuffer(text.encode("ascii"), np.uint8)
            self.inks[y, x:end] = number
            return end
        for character in text:
            cells = cell_len(character)
            if 0 <= y < height and x >= 0 and x + cells <= width:
                self.cells[y, x] = ord(character)
                if cells > 1:
                    self._wide.add(ord(character))
                    self.cells[y, x + 1] = 0
                self.inks[y, x : x + cells] = number
            x += cells
        return x

    def write_runs(self, x: int, y: int, runs: list[Run]) -> int:
        """Write several runs; returns the column after them."""
        for text, ink in runs:
            x = self.write(x, y, text, ink)
        return x

    def paint(self, y: Any, x: Any, character: str, ink: Ink) -> None:
        """Put one character on the cells that numpy indexes select."""
        self.cells[y, x] = ord(character)
        self.inks[y, x] = self.ink(ink)

    def frame(self) -> Frame:
        """The drawing; of a wide character that something was drawn over, the rest is a blank."""
        if self._wide:
            wide = np.isin(self.cells, list(self._wide))
            right = self.cells == ord(HALF)
            self.cells[:, :-1][wide[:, :-1] & ~right[:, 1:]] = ord(" ")
            self.cells[:, 1:][right[:, 1:] & ~wide[:, :-1]] = ord(" ")
        # Blanks take the ink of what stands before them: fewer changes of colour to send.
        inked = np.where(self.cells != ord(" "), np.arange(self.cells.shape[1]), 0)
        before = np.maximum.accumulate(inked, axis=1) if inked.size else inked
        inks = np.take_along_axis(self.inks, before, axis=1)
        return Frame(self.cells, inks, tuple(self._palette))


@lru_cache(maxsize=1024)
def fit(text: str, width: int, ascii: bool = False) -> str:
    """Printable text of at most so many cells, with an ellipsis where it is cut.

    Characters of no width are left out; those that can't be printed (with `ascii`, all but ASCII)
    become question marks.
    """
    text = unicodedata.normalize("NFC", plain(text[:1000]))
    if ascii:
        text = text.replace("…", "...").replace("·", "-").encode("ascii", "replace").decode()
    text = "".join(map(_printable, text))
    if cell_len(text) <= width:
        return text
    dots = ".." if ascii else "…"
    while text and cell_len(text) + len(dots) > width:
        text = text[:-1]
    return text + dots if width >= len(dots) else ""


def _printable(character: str) -> str:
    if not character.isprintable():
        return " " if character.isspace() else "?"
    return character if cell_len(character) else ""


def width_of(runs: list[Run]) -> int:
    """The width of runs, in cells."""
    return sum(cell_len(text) for text, _ in runs)
