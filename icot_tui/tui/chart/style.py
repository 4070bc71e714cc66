"""What curves and marks look like: characters, inks, and the palette of the curves."""

from dataclasses import dataclass
from typing import NamedTuple

from icot_tui.tui.chart.canvas import Ink
from icot_tui.tui.chart.data import MarkKind

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Okabe and Ito's colours, which people of all kinds of colour vision tell apart, made lighter for
# dark backgrounds and darker for light ones. Pure red is left to errors.
DARK = ("#56b4e9", "#e69f00", "#2cc29a", "#f0e442", "#d98ab5", "#f27a45", "#7f9cf5", "#b8b8b8")
LIGHT = ("#0072b2", "#b06a00", "#00795a", "#b3490a", "#a2457c", "#3d5bd9", "#7a6f00", "#5f5f5f")
ANSI = ("cyan", "yellow", "green", "magenta", "bright_cyan", "bright_magenta", "default", "blue")
SAME_COLOUR = 75
"""Colours at most so far apart, of 255 a channel, can't be told apart."""


class MarkStyle(NamedTuple):
    """How a kind of mark is drawn.

    Attributes:
        severity: of several marks on one spot the one with the highest is shown.
        character, ascii: what stands on the axis.
        svg: colour in a vector drawing.
    """

    severity: int
    character: str
    ascii: str
    ink: Ink
    svg: str


MARKS: dict[MarkKind, MarkStyle] = {
    "collapse": MarkStyle(5, "✖", "X", Ink("error", "bold"), "#c0261e"),
    "spike": MarkStyle(4, "▲", "!", Ink("warning"), "#e0962c"),
    "training": MarkStyle(3, "◆", "o", Ink("success"), "#b0b8c0"),
    "rollback": MarkStyle(3, "◂", "<", Ink("secondary"), "#0f7080"),
    "removal": MarkStyle(2, "▴", "^", Ink("foreground", "faint"), "#b0b8c0"),
    # Most removals come with a reset; the removal is what the reader looks for.
    "reset": MarkStyle(1, "↺", "r", Ink("accent"), "#c9a8dc"),
}


@dataclass(frozen=True)
class ChartStyle:
    """How a chart is drawn.

    Attributes:
        ascii: with ASCII characters only.
        letters: curves carry letters, because colours don't tell them apart.
    """

    ascii: bool = False
    letters: bool = False

    def mark(self, kind: MarkKind) -> str:
        """The character of a mark."""
        return MARKS[kind].ascii if self.ascii else MARKS[kind].character

    @property
    def nonfinite(self) -> str:
        """On the axis below values that are not finite."""
        return "x" if self.ascii else "✗"

    @property
    def dot(self) -> str:
        """The cursor's place on a curve."""
        return "o" if self.ascii else "●"

    @property
    def point(self) -> str:
        """A measurement."""
        return "o" if self.ascii else "•"

    def letter(self, place: int, curves: int) -> str | None:
        """The letter of a curve, if it has one."""
        return LETTERS[place % len(LETTERS)] if self.letters and curves > 1 else None

    def swatch(self, place: int, curves: int, dot: bool = False) -> str:
        """A piece of a curve, for the legend."""
        return self.letter(place, curves) or (self.dot if dot else "--" if self.ascii else "━━")


def series_colour(
    number: int, *, dark: bool, ansi: bool, own: tuple[int, int, int] | None = None
) -> str:
    """A colour of the palette in a theme's notation; after the last comes the first again.

    Args:
        own: red, green and blue of the run's own curve; colours like it come last.
    """
    if ansi:
        return f"ansi_{ANSI[number % len(ANSI)]}"
    palette = sorted(DARK if dark else LIGHT, key=lambda colour: _alike(colour, own))
    return palette[number % len(palette)]


def _alike(colour: str, own: tuple[int, int, int] | None) -> bool:
    if own is None:
        return False
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return sum((a - b) ** 2 for a, b in zip(parts, own, strict=True)) < SAME_COLOUR**2
