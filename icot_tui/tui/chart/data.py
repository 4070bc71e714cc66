"""What a chart shows, as plain data."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[Any]
MarkKind = Literal["removal", "reset", "spike", "collapse", "rollback", "training"]
Span = tuple[float, float]

LARGEST = 1e290
"""Larger values are drawn here, so that differences and sums of thousands stay finite."""


@dataclass(eq=False)
class Curve:
    """One line of a chart; values that are not finite are gaps.

    Attributes:
        x: positions, sorted as floats; points at one that is not finite are left out.
        y: values, as many as positions.
        colour: of the theme ("primary", "error") or the palette ("series0" to "series7").
        smooth: may be smoothed, with the raw values drawn faintly behind.
        points: each value is a measurement of its own and gets a dot.
        whole: positions were given as whole numbers.

    Raises:
        ValueError: there are not as many values as positions.
    """

    name: str
    x: Numbers
    y: Numbers
    colour: str = "primary"
    smooth: bool = True
    points: bool = False
    whole: bool = field(init=False)

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        if x.ndim != 1 or x.shape != y.shape:
            shapes = f"{x.shape} and {y.shape}"
            raise ValueError(f"a curve needs as many values as positions, in one row; not {shapes}")
        self.whole = x.dtype.kind in "iu"
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
        self.x, self.y = x, y

    def between(self, start: float, end: float) -> tuple[int, int]:
        """(first, last + 1) indexes of the points from `start` to `end`, both included."""
        return _between(self.x, start, end)


@dataclass(frozen=True)
class Mark:
    """An event at a position, with its name ("removal 3")."""

    x: float
    kind: MarkKind
    label: str


@dataclass(eq=False, kw_only=True)
class ChartData:
    """Everything a chart shows.

    Attributes:
        marks: sorted; those at a position that is not finite are left out.
        x_label: of the x axis; positions of "hours" are written as `3h20m`.
        version: differs whenever something else is to be drawn.
        empty: the message shown while there is nothing to draw.
        percent: values are shares from 0 to 1, written as 0 % to 100 %.
        levels: horizontal lines to compare with, each a value and its name.
        since, until: first and last position of the axis, where curves may begin later or end
            before; None: theirs.
    """

    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    x_label: str
    y_label: str
    version: Hashable
    empty: str = ""
    percent: bool = False
    levels: tuple[tuple[float, str], ...] = ()
    since: float | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        finite = (mark for mark in self.marks if abs(mark.x) <= LARGEST)  # False for NaN as well
        self.marks = tuple(sorted(finite, key=lambda mark: mark.x))

    @cached_property
    def extent(self) -> Span | None:
        """The first and last position of all curves; None when there is nothing to draw."""
        ends = [(curve.x[0], curve.x[-1]) for curve in self.curves if len(curve.x)]
        if not ends:
            return None
        begin, end = min(a for a, _ in ends), max(b for _, b in ends)
        begin = begin if self.since is None else min(begin, self.since)
        return float(begin), float(end if self.until is None else max(end, self.until))

    def value_at(self, x: float) -> float | None:
        """The first curve's last value up to a position; None where it has none yet."""
        for curve in self.curves:
            at = int(np.searchsorted(curve.x, x, "right")) - 1
            if at >= 0:
                return float(curve.y[at])
        return None

    @property
    def whole(self) -> bool:
        """Do only whole numbers make sense on the x axis?"""
        return self.x_label == "step" or all(curve.whole for curve in self.curves)

    @cached_property
    def mark_x(self) -> Floats:
        """The positions of the marks."""
        return np.array([mark.x for mark in self.marks], np.float64)

    def marks_between(self, start: float, end: float) -> slice:
        """The marks from `start` to `end`, both included."""
        return slice(*_between(self.mark_x, start, end))


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
