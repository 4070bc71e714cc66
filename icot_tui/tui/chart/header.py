"""The lines above the plot: the legend, or the values at the cursor."""

from icot_tui.tui.chart.canvas import QUIET, Canvas, Ink, Run, fit, width_of
from icot_tui.tui.chart.data import MarkKind
from icot_tui.tui.chart.prepare import Prepared
from icot_tui.tui.chart.readout import BREVITY, NAME_WIDTH, STRONG, TEXT, readout
from icot_tui.tui.chart.style import MARKS, ChartStyle
from icot_tui.tui.chart.viewport import Viewport

Runs = list[Run]
NAME_WIDTHS = (NAME_WIDTH, 18, 12)
"""Cells that a curve's name may take, the widest that fits."""


def header_lines(
    prepared: Prepared, view: Viewport, style: ChartStyle, column: float, width: int, height: int
) -> list[Runs]:
    """The legend or, with a cursor, the readout, laid out for this size; may be empty.

    `column` is the width of a column in positions.
    """
    if height < 5 or width < 12:
        return []
    if view.cursor is None:
        ways = [legend(prepared, style, name_width) for name_width in NAME_WIDTHS]
        return _laid(ways, width, max(1, height // 5), "  ")
    between = " - " if style.ascii else " · "
    ways = [readout(prepared, view, style, column, brevity) for brevity in BREVITY]
    return _laid(ways, width, max(1, height // 4), between)


def legend(prepared: Prepared, style: ChartStyle, name_width: int = NAME_WIDTH) -> list[Runs]:
    """What is measured, and the name of each curve after its swatch."""
    data = prepared.data
    curves = [line.curve for line in prepared.lines]
    parts: list[Runs] = []
    if [curve.name for curve in curves] != [data.y_label] and data.y_label:
        parts.append([(fit(data.y_label, NAME_WIDTH, style.ascii), STRONG)])
    for place, curve in enumerate(curves):
        swatch = style.swatch(place, len(curves))
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
    prepared: Prepared, view: Viewport, style: ChartStyle, kinds: list[MarkKind], nonfinite: int
) -> list[Runs]:
    """Notes beside the legend, the most important first: gaps, axis, marks, smoothing."""
    parts: list[Runs] = []
    if nonfinite:
        parts.append([(f"{style.nonfinite} not finite", Ink("error"))])
    if view.log:
        parts.append([("log", QUIET)])
    if view.window is not None:
        parts.append([("zoomed", QUIET)])
    for kind in kinds:
        parts.append([(f"{style.mark(kind)} ", MARKS[kind].ink), (kind, QUIET)])
    if view.smoothing and any(line.curve.smooth for line in prepared.lines):
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
