"""The lines above the plot: the legend, or the values at the cursor."""

import numpy as np

from icot_tui import formatting
from icot_tui.tui.chart.canvas import QUIET, Canvas, Ink, Run, fit, width_of
from icot_tui.tui.chart.curves import smoothed_value
from icot_tui.tui.chart.data import ChartData, Curve, MarkKind
from icot_tui.tui.chart.style import MARKS, ChartStyle
from icot_tui.tui.chart.ticks import time_of_hours
from icot_tui.tui.chart.viewport import Viewport, nearest

Runs = list[Run]
TEXT, STRONG = Ink("foreground"), Ink("foreground", "bold")
NAME_WIDTH = 28
BREVITY = (0, 1, 2)
"""0: in full; 1: shorter; 2: values only."""


def readout(
    data: ChartData, view: Viewport, style: ChartStyle, column: float, brevity: int
) -> list[Runs]:
    """The position of the cursor, each curve's value there, and marks within a column of it.

    A value that was measured elsewhere, such as that of an evaluation, says where.
    """
    cursor = view.cursor if view.cursor is not None else 0.0
    parts: list[Runs] = [[(position(cursor, data.x_label, style.ascii), STRONG)]]
    for place, curve in enumerate(data.curves):
        index = nearest(cursor, curve.x)
        if index is None:
            continue
        there = curve.x[0] - column <= cursor <= curve.x[-1] + column
        value, smooth = _values(data, view, curve, index) if there else ("none here", "")
        elsewhere = there and abs(curve.x[index] - cursor) > column
        swatch = style.swatch(place, len(data.curves), dot=True)
        runs: Runs = [(f"{swatch} ", Ink(curve.colour, "bold"))]
        if brevity < 2:
            name = fit(curve.name, 16 if brevity else NAME_WIDTH, style.ascii)
            runs.append((f"{name} ", TEXT))
        runs.append((value, Ink("error") if value == "not finite" else STRONG))
        if smooth:
            runs.append((f" (~{smooth})" if brevity else f" (smoothed {smooth})", QUIET))
        if elsewhere:
            where = position(float(curve.x[index]), "hours" if data.x_label == "hours" else "")
            runs.append((f" at {where}", QUIET))
        parts.append(runs)
    return parts + _near(data, cursor, style, column)


def position(x: float, label: str, ascii: bool = False) -> str:
    """`step 1,240`, `1h 20m 5s`."""
    if label == "hours":
        return time_of_hours(x, exact=True)
    whole = abs(x) < 1e15 and x == round(x)
    return f"{fit(label, 20, ascii)} {x:,{'.0f' if whole else '.4g'}}".strip()


def _values(data: ChartData, view: Viewport, curve: Curve, index: int) -> tuple[str, str]:
    """A curve's value at a point, and the smoothed value if that is drawn."""
    tell = formatting.percent if data.percent else formatting.number
    value = float(curve.y[index])
    if not np.isfinite(value) or not curve.smooth or not view.smoothing:
        return tell(value), ""
    return tell(value), tell(smoothed_value(curve, index, view.smoothing, view.log))


def _near(data: ChartData, cursor: float, style: ChartStyle, column: float) -> list[Runs]:
    """Marks within a column of the cursor, the severest first; else the removal it comes after."""
    reach = 0.75 * column
    part = data.marks_between(cursor - reach, cursor + reach)
    near = sorted(data.marks[part], key=lambda mark: -MARKS[mark.kind].severity)[:3]
    names = [fit(mark.label or mark.kind, NAME_WIDTH, style.ascii) for mark in near]
    removals = [mark for mark in data.marks[: part.start] if mark.kind == "removal"]
    if near or not removals:
        signs = [(f"{style.mark(mark.kind)} ", MARKS[mark.kind].ink) for mark in near]
        return [[sign, (name, TEXT)] for sign, name in zip(signs, names, strict=True)]
    last = removals[-1]
    distance = ""
    if data.x_label == "hours":
        distance = f"{time_of_hours(cursor - last.x)} "
    elif data.x_label == "step":
        distance = f"{formatting.count(round(cursor - last.x), 'step')} "
    return [[(f"{distance}after {fit(last.label or 'a removal', NAME_WIDTH, style.ascii)}", QUIET)]]


NAME_WIDTHS = (NAME_WIDTH, 18, 12)
"""Cells that a curve's name may take, the widest that fits."""


def header_lines(
    data: ChartData, view: Viewport, style: ChartStyle, column: float, width: int, height: int
) -> list[Runs]:
    """The legend or, with a cursor, the readout, laid out for this size; may be empty.

    `column` is the width of a column in positions.
    """
    if height < 5 or width < 12:
        return []
    if view.cursor is None:
        ways = [legend(data, style, name_width) for name_width in NAME_WIDTHS]
        return _laid(ways, width, max(1, height // 5), "  ")
    between = " - " if style.ascii else " · "
    ways = [readout(data, view, style, column, brevity) for brevity in BREVITY]
    return _laid(ways, width, max(1, height // 4), between)


def legend(data: ChartData, style: ChartStyle, name_width: int = NAME_WIDTH) -> list[Runs]:
    """What is measured, and the name of each curve after its swatch."""
    parts: list[Runs] = []
    if [curve.name for curve in data.curves] != [data.y_label] and data.y_label:
        parts.append([(fit(data.y_label, NAME_WIDTH, style.ascii), STRONG)])
    for place, curve in enumerate(data.curves):
        swatch = style.swatch(place, len(data.curves))
        name = fit(curve.name, name_width, style.ascii)
        parts.append([(swatch + " ", Ink(curve.colour, "bold")), (name, TEXT)])
    return parts


def draw_header(canvas: Canvas, lines: list[Runs], notes: list[Runs]) -> None:
    """Write the lines, and at the right of the last one as many notes as fit."""
    width = canvas.cells.shape[1]
    used = 0
    for y, runs in enumerate(lines):
        used = canvas.write_runs(0, y, runs)
    while notes and sum(map(width_of, notes)) + 2 * len(notes) + 1 > width - used:
        notes = notes[:-1]
    if lines and notes:
        runs = wrap(notes, width, 1, "  ")[0][0]
        canvas.write_runs(width - width_of(runs), len(lines) - 1, runs)


def notes(
    data: ChartData, view: Viewport, style: ChartStyle, kinds: list[MarkKind], nonfinite: int
) -> list[Runs]:
    """Notes beside the legend, the most important first: gaps, axis, marks, smoothing."""
    parts: list[Runs] = []
    if nonfinite:
        parts.append([(f"{style.nonfinite} not finite", Ink("error"))])
    if view.log:
        parts.append([("log", QUIET)])
    if view.window is not None or view.values is not None:
        parts.append([("zoomed", QUIET)])
    for kind in kinds:
        parts.append([(f"{style.mark(kind)} ", MARKS[kind].ink), (kind, QUIET)])
    if view.smoothing and any(curve.smooth for curve in data.curves):
        parts.append([(f"smoothed over {view.smoothing}", QUIET)])
    return parts


def wrap(parts: list[Runs], width: int, lines: int, between: str) -> tuple[list[Runs], int]:
    """Lay parts out on at most so many lines; also how many did not fit."""
    laid: list[Runs] = [[]]
    for place, part in enumerate(parts):
        gap = [(between, QUIET)] if laid[-1] else []
        if laid[-1] and width_of(laid[-1] + gap + part) <= width:
            laid[-1] += gap + part
        elif not laid[-1]:
            laid[-1] = _cut(part, width)
        elif len(laid) < lines:
            laid.append(_cut(part, width))
        else:
            return laid, len(parts) - place
    return laid, 0


def _laid(ways: list[list[Runs]], width: int, lines: int, between: str) -> list[Runs]:
    """The first of several ways that fits; else the last, with the number of missing parts."""
    for parts in ways:
        laid, missing = wrap(parts, width, lines, between)
        if not missing and all(width_of(part) <= width for part in parts):
            return laid
    more = f"  +{missing} more"
    if missing and width > 2 * len(more):
        laid, missing = wrap(ways[-1], width - len(more), lines, between)
        laid[-1] = [*laid[-1], (f"  +{missing} more", QUIET)]
    return laid


def _cut(part: Runs, width: int) -> Runs:
    cut: Runs = []
    for text, ink in part:
        cut.append((fit(text, width - width_of(cut), text.isascii()), ink))
    return cut
