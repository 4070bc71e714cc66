"""What a chart shows: as plain data, and prepared for drawing."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[Any]
MarkKind = Literal["removal", "reset", "spike", "collapse", "rollback", "training"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart; values that are not finite are gaps.

    Attributes:
        x: positions, usually ascending. Points at a position that is not finite are left out.
        y: values, as many as positions.
        colour: of the theme ("primary", "error") or the palette ("series0" to "series7").
        smooth: may be smoothed, with the raw values drawn faintly behind.
        points: each value is a measurement of its own and gets a dot.

    Raises:
        ValueError: there are not as many values as positions.
    """

    name: str
    x: Numbers
    y: Numbers
    colour: str = "primary"
    smooth: bool = True
    points: bool = False

    def __post_init__(self) -> None:
        if np.ndim(self.x) != 1 or np.shape(self.x) != np.shape(self.y):
            shapes = f"{np.shape(self.x)} and {np.shape(self.y)}"
            raise ValueError(f"a curve needs as many values as positions, in one row; not {shapes}")


@dataclass(frozen=True)
class Mark:
    """An event at a position, with its name ("removal 3")."""

    x: float
    kind: MarkKind
    label: str


@dataclass(frozen=True, eq=False, kw_only=True)
class ChartData:
    """Everything a chart shows.

    Attributes:
        x_label: of the x axis; positions of "hours" are written as `3h20m`.
        version: differs whenever something else is to be drawn.
        empty: the message shown while there is nothing to draw.
        percent: values are shares from 0 to 1, written as 0 % to 100 %.
        levels: horizontal lines to compare with, each a value and its name.
        span: what the x axis covers at least, so that charts above each other line up; None: as
            much as the curves.
    """

    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    x_label: str
    y_label: str
    version: Hashable
    empty: str = ""
    percent: bool = False
    levels: tuple[tuple[float, str], ...] = ()
    span: tuple[float, float] | None = None


LARGEST = 1e290
"""Larger values are drawn here, so that differences and sums of thousands stay finite."""


@dataclass(frozen=True, eq=False)
class PreparedCurve:
    """A curve with finite, ascending positions; values may still be anything."""

    curve: Curve
    x: Floats
    y: Numbers

    def between(self, start: float, end: float) -> tuple[int, int]:
        """(first, last + 1) indexes of the points from `start` to `end`, both included."""
        return _between(self.x, start, end)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A chart's data, ready to be drawn at any size and in any window.

    Attributes:
        extent: the first and last position of all; None when there is nothing to draw.
        marks: those at a finite position, ascending.
        mark_x: their positions.
    """

    data: ChartData
    lines: tuple[PreparedCurve, ...]
    extent: tuple[float, float] | None
    marks: tuple[Mark, ...]
    mark_x: Floats

    def marks_between(self, start: float, end: float) -> slice:
        """The marks from `start` to `end`, both included."""
        return slice(*_between(self.mark_x, start, end))


def prepare(data: ChartData) -> Prepared:
    """Sort and filter; reads every value once."""
    lines = tuple(_line(curve) for curve in data.curves)
    ends = [(line.x[0], line.x[-1]) for line in lines if len(line.x)]
    if ends and data.span and max(map(abs, data.span)) <= LARGEST:
        ends.append(data.span)
    extent = (float(min(a for a, _ in ends)), float(max(b for _, b in ends))) if ends else None
    marks = [mark for mark in data.marks if abs(mark.x) <= LARGEST]  # False for NaN as well
    marks.sort(key=lambda mark: mark.x)
    positions = np.array([mark.x for mark in marks], np.float64)
    return Prepared(data, lines, extent, tuple(marks), positions)


def usable(values: Numbers, log: bool) -> NDArray[np.bool_]:
    """Which values can be drawn: the finite ones, on a log axis those above zero."""
    finite = np.isfinite(values)
    return finite & (values > 0) if log else finite


def bounded(values: Numbers) -> Floats:
    """As float64, not beyond `LARGEST`; NaN stays."""
    wide = np.asarray(values, np.float64)
    # Of float32 nothing can be beyond.
    return wide if values.dtype == np.float32 else np.clip(wide, -LARGEST, LARGEST)


def _between(x: Floats, start: float, end: float) -> tuple[int, int]:
    first = int(np.searchsorted(x, start, "left"))
    return first, max(first, int(np.searchsorted(x, end, "right")))


def _line(curve: Curve) -> PreparedCurve:
    x, y = np.asarray(curve.x), np.asarray(curve.y)
    if y.dtype.kind != "f" or y.dtype.itemsize < 4:
        y = y.astype(np.float64)
    with np.errstate(all="ignore"):
        # What ascends between two finite ends is finite throughout: mostly one pass is enough.
        ascends = bool(len(x)) and bool((x[1:] >= x[:-1]).all())
        x = x.astype(np.float64)
        if not (ascends and abs(x[0]) <= LARGEST and abs(x[-1]) <= LARGEST):
            fit = np.abs(x) <= LARGEST
            x, y = x[fit], y[fit]
            order = np.argsort(x, kind="stable")
            x, y = x[order], y[order]
    return PreparedCurve(curve, x, y)
