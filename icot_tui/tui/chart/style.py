"""What curves and marks look like: characters, inks, and the palette of the curves."""

from dataclasses import dataclass

from icot_tui.tui.chart.canvas import Ink
from icot_tui.tui.chart.data import SEVERITY

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKS = {
    "removal": "▴",
    "reset": "↺",
    "spike": "▲",
    "collapse": "✖",
    "rollback": "◂",
    "training": "◆",
}
_ASCII_MARKS = {
    "removal": "^",
    "reset": "r",
    "spike": "!",
    "collapse": "X",
    "rollback": "<",
    "training": "o",
}
_MARK_INKS = {
    "removal": Ink("foreground", "faint"),
    "reset": Ink("accent"),
    "spike": Ink("warning"),
    "collapse": Ink("error", "bold"),
    "rollback": Ink("secondary"),
    "training": Ink("success"),
}
# Okabe and Ito's colours, which people of all kinds of colour vision tell apart, made lighter for
# dark backgrounds and darker for light ones. Pure red is left to errors.
DARK = ("#56b4e9", "#e69f00", "#2cc29a", "#f0e442", "#d98ab5", "#f27a45", "#7f9cf5", "#b8b8b8")
LIGHT = ("#0072b2", "#b06a00", "#00795a", "#b3490a", "#a2457c", "#3d5bd9", "#7a6f00", "#5f5f5f")
ALIKE = 75
"""Colours so near each other, of 255 a channel, are taken for one."""
ANSI = ("cyan", "yellow", "green", "magenta", "bright_cyan", "bright_magenta", "default", "blue")


@dataclass(frozen=True)
class ChartStyle:
    """How a chart is drawn.

    Attributes:
        ascii: with ASCII characters only.
        letters: curves carry letters, where colours don't tell them apart.
    """

    ascii: bool = False
    letters: bool = False

    def mark(self, kind: str) -> str:
        """What stands on the axis for a mark."""
        return (_ASCII_MARKS if self.ascii else _MARKS).get(kind, "?")

    @property
    def broken(self) -> str:
        """What stands on the axis below values that are not finite."""
        return "x" if self.ascii else "✗"

    @property
    def dot(self) -> str:
        """A single point, and the cursor's place on a curve."""
        return "o" if self.ascii else "●"

    @property
    def point(self) -> str:
        """A measurement."""
        return "o" if self.ascii else "•"

    def letter(self, place: int, curves: int) -> str | None:
        """The letter of a curve, if it has one: where several are told apart without colour."""
        return LETTERS[place % len(LETTERS)] if self.letters and curves > 1 else None

    def swatch(self, place: int, curves: int, dot: bool = False) -> str:
        """A piece of a curve, to stand before its name."""
        return self.letter(place, curves) or (self.dot if dot else "--" if self.ascii else "━━")

    def severity(self, kind: str) -> int:
        """What is shown first where marks are too close."""
        return SEVERITY.get(kind, 0)


def mark_ink(kind: str) -> Ink:
    """What a mark is drawn with."""
    return _MARK_INKS.get(kind, Ink("foreground", "faint"))


def series_colour(
    number: int, *, dark: bool, ansi: bool, own: tuple[int, int, int] | None = None
) -> str:
    """A colour of the palette, as a theme writes it; after the last comes the first again.

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
    return sum((a - b) ** 2 for a, b in zip(parts, own, strict=True)) < ALIKE**2
