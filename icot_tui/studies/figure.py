"""Draws a study's figure into SVG and PNG files, with matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.errors import UserError
from icot_tui.studies.series import Drawing

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
