"""What charts look like: the characters of marks and curves, and the inks they are drawn in."""

from dataclasses import dataclass
from string import ascii_uppercase
from typing import NamedTuple

from icot_tui.tui.chart.canvas import Ink
from icot_tui.tui.chart.data import MarkKind

ANSI = ("cyan", "yellow", "green", "magenta", "bright_cyan", "bright_magenta", "default", "blue")
"""The palette where there are only the terminal's own colours."""


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
        letters: curves carry letters besides their colours, where there are several.
        sparse: raw curves are drawn with few dots, because no colour makes them faint.
        margin: cells for the labels of values, at least.
    """

    ascii: bool = False
    letters: bool = True
    sparse: bool = False
    margin: int = 0

    def mark(self, kind: MarkKind) -> str:
        return MARKS[kind].ascii if self.ascii else MARKS[kind].character

    @property
    def nonfinite(self) -> str:
        """On the axis below values that are not finite."""
        return "x" if self.ascii else "✗"

    @property
    def dot(self) -> str:
        """The cursor's place on a curve."""
        return "o" if self.ascii else "●"

    def letter(self, place: int, curves: int) -> str | None:
        """The letter of a curve, if it has one."""
        return ascii_uppercase[place % 26] if self.letters and curves > 1 else None

    def swatch(self, place: int, curves: int, dot: bool = False) -> str:
        """A piece of a curve, for the legend."""
        return self.letter(place, curves) or (self.dot if dot else "--" if self.ascii else "━━")


def series_number(colour: str) -> int | None:
    """3 for `series3`; None for a colour of the theme."""
    number = colour.removeprefix("series")
    return int(number) if number != colour and number.isdigit() else None
