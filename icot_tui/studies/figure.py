"""A study's figure, in characters for terminals and logs, or as SVG and PNG files."""

import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.errors import UserError
from icot_tui.studies.series import Drawing, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "figures need matplotlib: pip install 'icot-tui[studies]'"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222222")
"""Paul Tol's bright colours, distinguishable for colour-blind readers, and black."""
MARKERS = "osD^vPX*"


def write_figures(drawing: Drawing, folder: Path) -> list[Path]:
    """figure.svg and figure.png.

    Raises:
        UserError: matplotlib is not installed, or the files can't be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(MISSING, 1) from error
    # Text stays text, `$` and `_` start no formula, and equal numbers give equal files.
    with rc_context({"svg.fonttype": "none", "text.parse_math": False, "svg.hashsalt": "icot-tui"}):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.add_subplot()
        _fill(axes, drawing)
        written = []
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            path = folder / f"figure.{kind}"
            beside = folder / f".figure.{kind}"
            try:
                figure.savefig(beside, format=kind, dpi=160, metadata=metadata)
                beside.replace(path)
            except OSError as error:
                beside.unlink(missing_ok=True)
                raise UserError(f"cannot write {path}: {error.strerror}", 1) from error
            written.append(path)
    return written


def _fill(axes: "Axes", drawing: Drawing) -> None:
    axes.set_title(drawing.title)
    axes.set_xlabel(drawing.x_label)
    axes.set_ylabel(drawing.y_label)
    count = len(drawing.series)
    named: set[str] = set()
    for number, series in enumerate(drawing.series):
        colour = COLOURS[series.colour % len(COLOURS)]
        label = None if series.name in named else series.name
        named.add(series.name)
        spread = series.spread if any(series.spread) else None
        if drawing.bars:
            width = 0.8 / count
            x = [place - 0.4 + width * (number + 0.5) for place in series.x]
            axes.bar(x, series.y, width, yerr=spread, color=colour, label=label, capsize=3)
        else:
            axes.errorbar(
                series.x,
                series.y,
                yerr=spread,
                color=colour,
                label=label,
                marker=MARKERS[series.colour % len(MARKERS)],
                markersize=4,
                linestyle="-" if drawing.joined else "none",
                linewidth=1.2,
                capsize=3,
            )
    if drawing.ticks:
        axes.set_xticks(range(len(drawing.ticks)), drawing.ticks)
    highest = max((y for series in drawing.series for y in series.y), default=0)
    axes.set_ylim(bottom=0, top=1.03 if 0.5 < highest <= 1 else None)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if any(named):
        axes.legend(fontsize="small", frameon=False)


def as_text(drawing: Drawing, width: int = 78, height: int = 18) -> str:
    """The figure in characters."""
    if drawing.bars:
        return _bars(drawing, width)
    return _plane(drawing, width, height)


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _plane(drawing: Drawing, width: int, height: int) -> str:
    """Points of each series as its letter, in a plane with axes."""
    xs = [x for series in drawing.series for x in series.x if math.isfinite(x)]
    ys = [y for series in drawing.series for y in series.y if math.isfinite(y)]
    if not xs or not ys:
        return ""
    low_x, high_x = min(xs), max(xs)
    low_y, high_y = min(0.0, *ys), max(ys)
    high_x = high_x if high_x > low_x else low_x + 1
    high_y = high_y if high_y > low_y else low_y + 1
    margin = max(len(f"{low_y:.3g}"), len(f"{high_y:.3g}")) + 1
    columns, rows = max(20, width - margin - 2), max(5, height - 4)
    cells = [[" "] * columns for _ in range(rows)]
    for number in reversed(range(len(drawing.series))):
        letter = LETTERS[drawing.series[number].colour % len(LETTERS)]
        for x, y in _between(drawing.series[number], columns if drawing.joined else 0):
            column = round((x - low_x) / (high_x - low_x) * (columns - 1))
            row = rows - 1 - round((y - low_y) / (high_y - low_y) * (rows - 1))
            cells[row][column] = "·" if cells[row][column] == " " else cells[row][column]
        for x, y in zip(drawing.series[number].x, drawing.series[number].y, strict=True):
            if math.isfinite(x) and math.isfinite(y):
                column = round((x - low_x) / (high_x - low_x) * (columns - 1))
                row = rows - 1 - round((y - low_y) / (high_y - low_y) * (rows - 1))
                cells[row][column] = letter
    levels = {0: f"{high_y:.3g}", rows - 1: f"{low_y:.3g}"}
    lines = [f"{drawing.title}", f"{drawing.y_label}"]
    lines += [f"{levels.get(row, ''):>{margin}} │{''.join(cells[row])}" for row in range(rows)]
    first, last = f"{low_x:.4g}", f"{high_x:.4g}"
    lines.append(f"{'':>{margin}} └" + "─" * columns)
    middle = drawing.x_label.center(columns - len(first) - len(last))
    lines.append(f"{'':>{margin}}  {first}{middle}{last}")
    names = {series.name: LETTERS[series.colour % 26] for series in drawing.series}
    lines += [f"{letter}  {name}" for name, letter in names.items() if name]
    return "\n".join(line.rstrip() for line in lines)


def _between(series: Series, columns: int) -> list[tuple[float, float]]:
    """Points on the straight lines between a series' own."""
    own = list(zip(series.x, series.y, strict=True))
    own = [(x, y) for x, y in own if math.isfinite(x) and math.isfinite(y)]
    parts = max(2, columns // max(len(own), 1))
    return [
        (x0 + (x1 - x0) * part / parts, y0 + (y1 - y0) * part / parts)
        for (x0, y0), (x1, y1) in pairwise(own)
        for part in range(1, parts)
        if columns
    ]


def _bars(drawing: Drawing, width: int) -> str:
    """A line of blocks for each bar."""
    named = [
        (", ".join(part for part in (series.name, drawing.ticks[round(x)]) if part), y)
        for series in drawing.series
        for x, y in zip(series.x, series.y, strict=True)
        if math.isfinite(y)
    ]
    margin = max((len(name) for name, _ in named), default=0)
    room = max(10, width - margin - 12)
    most = max((y for _, y in named), default=0) or 1
    lines = [f"{drawing.title}: {drawing.y_label}"]
    lines += [f"{name:<{margin}}  {'█' * round(y / most * room)} {y:.4g}" for name, y in named]
    return "\n".join(lines)
