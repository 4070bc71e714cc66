"""The lines above the plot: what is drawn, or what stands at the cursor."""

from icot_tui.tui.chart.canvas import QUIET, Canvas, Ink, Run, fit, width_of
from icot_tui.tui.chart.prepare import Prepared
from icot_tui.tui.chart.readout import BREVITY, NAME_WIDTH, STRONG, TEXT, readout
from icot_tui.tui.chart.style import ChartStyle, mark_ink
from icot_tui.tui.chart.viewport import Viewport

Runs = list[Run]
NAME_WIDTHS = (NAME_WIDTH, 18, 12)
"""Cells that a curve's name may take: shorter ones where they would not fit otherwise."""


def header_lines(
    prepared: Prepared, view: Viewport, look: ChartStyle, column: float, width: int, height: int
) -> list[Runs]:
    """The legend or, with a cursor, the readout, laid out for a chart of this size.

    `column` is how much of the positions one column shows. There may be no line at all.
    """
    if height < 5 or width < 12:
        return []
    if view.cursor is None:
        ways = [legend(prepared, look, name_width) for name_width in NAME_WIDTHS]
        return _laid(ways, width, max(1, height // 5), "  ")
    between = " - " if look.ascii else " · "
    ways = [readout(prepared, view, look, column, brevity) for brevity in BREVITY]
    return _laid(ways, width, max(1, height // 4), between)


def legend(prepared: Prepared, look: ChartStyle, name_width: int = NAME_WIDTH) -> list[Runs]:
    """What is measured, and the name of each curve after a piece of its line."""
    data = prepared.data
    curves = [line.curve for line in prepared.lines]
    parts: list[Runs] = []
    if [curve.name for curve in curves] != [data.y_label] and data.y_label:
        parts.append([(fit(data.y_label, NAME_WIDTH, look.ascii), STRONG)])
    for place, curve in enumerate(curves):
        swatch = look.swatch(place, len(curves))
        name = fit(curve.name, name_width, look.ascii)
        parts.append([(swatch + " ", Ink(curve.colour, "bold")), (name, TEXT)])
    return parts


def draw_header(canvas: Canvas, lines: list[Runs], notes: list[Runs]) -> None:
    """Write the lines, and on the right of the last one as many notes as there is room for."""
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
    prepared: Prepared, view: Viewport, look: ChartStyle, kinds: list[str], broken: int
) -> list[Runs]:
    """Beside the legend, the most important first: gaps, axis, marks, smoothing."""
    parts: list[Runs] = []
    if broken:
        parts.append([(f"{look.broken} not finite", Ink("error"))])
    if view.log:
        parts.append([("log", QUIET)])
    if view.window is not None:
        parts.append([("zoomed", QUIET)])
    for kind in kinds:
        parts.append([(f"{look.mark(kind)} ", mark_ink(kind)), (kind, QUIET)])
    if view.smoothing and any(line.curve.smooth for line in prepared.lines):
        parts.append([(f"smoothed over {view.smoothing}", QUIET)])
    return parts


def wrap(parts: list[Runs], width: int, lines: int, between: str) -> tuple[list[Runs], int]:
    """Lay parts out over at most so many lines; also how many found no place."""
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
    """The first of several ways that fits; else the last, with a word on how many are missing."""
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
