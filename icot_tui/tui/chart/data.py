"""What a chart shows, as plain data."""

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
    marks: tuple[Mark, ...]
    x_label: str
    y_label: str
    version: Hashable
    empty: str
    percent: bool = False
    levels: tuple[tuple[float, str], ...] = ()
    span: tuple[float, float] | None = None
