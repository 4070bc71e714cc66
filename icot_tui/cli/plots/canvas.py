"""The one place that imports plotext: it is given finite numbers only.

plotext 6.1 hands its numbers to a native library, which ends the whole process on a line through a
value that is not finite. So a canvas counts in its own cells, leaves gaps where a position is not
finite, and keeps everything else within itself.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.color import Color
from rich.text import Text

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Tick = tuple[float, str]
BRAILLE = "braille"
"""A marker of plotext: lines of dots, two by four to a cell."""
_ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│█", "+++++++++-|#")


class PlotextCanvas:
    """Cells to plot on, with axes on the left and below.

    The centre of a cell has whole numbers: columns count from 0 on the left, rows from 0 below.

    Args:
        columns, rows: cells inside the axes, 1 or more.
        left, below: ticks of the axes, each at a row or a column.
        x_label: stands below the ticks, if there is one.
        ascii: draw with ASCII characters only.
    """

    def __init__(
        self,
        columns: int,
        rows: int,
        *,
        left: Sequence[Tick] = (),
        below: Sequence[Tick] = (),
        x_label: str = "",
        ascii: bool = False,
    ) -> None:
        import plotext  # takes 0.3 s

        self._plotext = plotext
        self._size = columns, rows
        self._ascii = ascii
        plotext.terminal.limit(False, False)
        figure = self._figure = plotext.figure.clear()
        figure.theme("colorless")
        labels = max((cell_len(label) for _, label in left), default=0)
        figure.plot_size(labels + 1 + columns, rows + 1 + bool(below) + bool(x_label))
        figure.axes(False, axis="x", side="upper")
        figure.axes(False, axis="y", side="right")
        for name, ticks, last in (("x", below, columns - 1), ("y", left, rows - 1)):
            ruler = figure.ruler(name, "lower" if name == "x" else "left")
            ruler.lim(0, last or 1)
            known = [tick for tick in ticks if math.isfinite(tick[0]) and tick[1].strip()]
            ruler.ticks([place for place, _ in known], labels=[label for _, label in known])
        if x_label:
            figure.label(x_label, "x", "lower")

    def line(
        self, columns: ArrayLike, rows: ArrayLike, joined: Bools | None = None, colour: str = ""
    ) -> None:
        """A line through these points, in their order.

        Args:
            columns, rows: [n] positions; the line has a gap where one is not finite.
            joined: [n] does the line continue from the point before? None: everywhere.
        """
        columns, rows, joined = finite_segments(columns, rows, joined, self._size)
        signal = self._signal(columns, rows, "." if self._ascii else BRAILLE, colour).lines(True)
        for place in np.flatnonzero(~joined).tolist():
            signal.line(place, False)
        self._figure.draw(signal)

    def points(self, columns: ArrayLike, rows: ArrayLike, mark: str, colour: str = "") -> None:
        """A character at each of these points; those that are not finite are left out."""
        columns, rows, _ = finite_segments(columns, rows, None, self._size)
        self._figure.draw(self._signal(columns, rows, mark, colour))

    def bars(self, rows: ArrayLike, ends: ArrayLike, colour: str) -> None:
        """A bar in each of these rows, from the left axis to a column."""
        columns, places, _ = finite_segments(ends, rows, None, self._size)
        block = self._marker("#" if self._ascii else "█", colour)
        for end, row in zip(columns.tolist(), places.tolist(), strict=True):
            self._figure.draw(self._figure.segment((0, end), (row, row), marker=block))

    def cell(self, column: int, row: int, text: str, colour: str, background: str) -> None:
        """A text that begins in this cell, on a background."""
        pixel = self._plotext.pixel(
            foreground=_pixel_colour(colour), background=_pixel_colour(background)
        )
        label = self._plotext.colorize(text).fill(pixel)
        self._figure.draw(self._figure.text(column, row, label, alignment="left"))

    def render(self, blanks: bool = False) -> Text:
        """What was drawn; without trailing blanks, unless these are wanted."""
        drawn = self._figure.build().string()
        text = Text.from_ansi(drawn.translate(_ASCII) if self._ascii else drawn)
        lines = text.split("\n")
        for line in () if blanks else lines:
            line.rstrip()
        return Text("\n").join(lines)

    def _signal(self, columns: Any, rows: Any, mark: str, colour: str) -> Any:
        marker = self._marker(mark, colour)
        return self._figure.signal(columns.tolist(), rows.tolist(), marker=marker)

    def _marker(self, mark: str, colour: str) -> Any:
        return self._plotext.marker(
            mark, pixel=self._plotext.pixel(foreground=_pixel_colour(colour))
        )


def finite_segments(
    columns: ArrayLike, rows: ArrayLike, joined: ArrayLike | None, size: tuple[int, int]
) -> tuple[Floats, Floats, Bools]:
    """The points that are finite, moved into a canvas of this size.

    Args:
        columns, rows: [n] positions.
        joined: [n] does the line continue from the point before? None: everywhere.

    Returns:
        (columns, rows, joined) of those points; after one that was left out the line begins anew.
    """
    places = np.asarray(columns, np.float64), np.asarray(rows, np.float64)
    finite = np.isfinite(places[0]) & np.isfinite(places[1])
    whole = np.ones(len(finite), np.bool_) if joined is None else np.array(joined, np.bool_)
    whole[1:] &= finite[:-1]
    inside = [
        np.clip(place[finite], -0.5, many - 0.5) for place, many in zip(places, size, strict=True)
    ]
    return inside[0], inside[1], whole[finite]


def _pixel_colour(name: str) -> Any:
    """A colour of rich as plotext takes it; None for the terminal's own."""
    colour = Color.parse(name or "default")
    return colour.number if colour.triplet is None else tuple(colour.triplet)
