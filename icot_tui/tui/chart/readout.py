"""The readout at the value cursor: position, values, marks."""

import numpy as np

from icot_tui import formatting
from icot_tui.tui.chart.canvas import QUIET, Ink, Run, fit
from icot_tui.tui.chart.data import Mark
from icot_tui.tui.chart.prepare import Prepared, PreparedCurve
from icot_tui.tui.chart.smooth import smoothed_value
from icot_tui.tui.chart.style import MARKS, ChartStyle
from icot_tui.tui.chart.ticks import time_of_hours
from icot_tui.tui.chart.viewport import Viewport, nearest

Runs = list[Run]
TEXT, STRONG = Ink("foreground"), Ink("foreground", "bold")
NAME_WIDTH = 28
BREVITY = (0, 1, 2)
"""0: in full; 1: shorter; 2: values only."""


def readout(
    prepared: Prepared, view: Viewport, style: ChartStyle, column: float, brevity: int
) -> list[Runs]:
    """The position of the cursor, each curve's value there, and marks within a column of it."""
    cursor = view.cursor if view.cursor is not None else 0.0
    parts: list[Runs] = [[(position(cursor, prepared.data.x_label, style.ascii), STRONG)]]
    for place, line in enumerate(prepared.lines):
        index = nearest(cursor, line.x)
        if index is None:
            continue
        there = line.x[0] - column <= cursor <= line.x[-1] + column
        value, smooth = _values(prepared, view, line, index) if there else ("none here", "")
        swatch = style.swatch(place, len(prepared.lines), dot=True)
        runs: Runs = [(f"{swatch} ", Ink(line.curve.colour, "bold"))]
        if brevity < 2:
            name = fit(line.curve.name, 16 if brevity else NAME_WIDTH, style.ascii)
            runs.append((f"{name} ", TEXT))
        runs.append((value, Ink("error") if value == "not finite" else STRONG))
        if smooth:
            runs.append((f" (~{smooth})" if brevity else f" (smoothed {smooth})", QUIET))
        parts.append(runs)
    return parts + _near(prepared, cursor, style, column)


def position(x: float, label: str, ascii: bool = False) -> str:
    """`step 1,240`, `1h 20m 5s`."""
    if label == "hours":
        return time_of_hours(x, exact=True)
    whole = abs(x) < 1e15 and x == round(x)
    return f"{fit(label, 20, ascii)} {x:,.0f}" if whole else f"{fit(label, 20, ascii)} {x:,.4g}"


def _values(prepared: Prepared, view: Viewport, line: PreparedCurve, index: int) -> tuple[str, str]:
    """A curve's value at a point, and the smoothed value if that is drawn."""
    tell = formatting.percent if prepared.data.percent else formatting.number
    value = float(line.y[index])
    if not np.isfinite(value) or not line.curve.smooth or not view.smoothing:
        return tell(value), ""
    return tell(value), tell(smoothed_value(line, index, view.smoothing))


def _near(prepared: Prepared, cursor: float, style: ChartStyle, column: float) -> list[Runs]:
    """Marks within a column of the cursor, the severest first; else the removal it comes after."""
    reach = 0.75 * column
    part = prepared.marks_between(cursor - reach, cursor + reach)
    near = sorted(prepared.marks[part], key=lambda mark: -MARKS[mark.kind].severity)[:3]
    if near:
        return [_named(mark, style) for mark in near]
    before = (mark for mark in reversed(prepared.marks[: part.start]) if mark.kind == "removal")
    last = next(before, None)
    if last is None:
        return []
    label = fit(last.label or "a removal", NAME_WIDTH, style.ascii)
    return [[(f"{_distance(cursor - last.x, prepared.data.x_label)}after {label}", QUIET)]]


def _named(mark: Mark, style: ChartStyle) -> Runs:
    label = fit(mark.label or mark.kind, NAME_WIDTH, style.ascii)
    return [(f"{style.mark(mark.kind)} ", MARKS[mark.kind].ink), (label, TEXT)]


def _distance(x: float, label: str) -> str:
    if label == "hours":
        return f"{time_of_hours(x)} "
    return f"{formatting.count(round(x), label)} " if label == "step" else ""
