"""Which panel stands where: a pure function of the terminal's size and the user's choices."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from textual.geometry import Region

from icot_tui.tui.actions.table import PANEL_IDS

Shape = Literal["grid", "compact", "stack", "spine", "too small"]
Rows = list[tuple[float, list[tuple[str, float]]]]
"""Rows from the top: (relative height, panels from the left with their relative widths)."""

SMALLEST = (50, 20)
"""Columns and rows of the smallest terminal that is used."""
CHARTS = ("loss", "accuracy")
GRID: Rows = [
    (10, [("removal", 52), ("resets", 26), ("machine", 42)]),
    (16, [("loss", 1), ("accuracy", 1)]),
    (13, [("spikes", 38), ("samples", 40), ("log", 42)]),
]
LEAST_WIDTH, LEAST_HEIGHT = 16, 5
LIGHTEST, HEAVIEST = 0.15, 4.0
"""The smallest and the largest size of a panel, relative to its usual size."""


@dataclass
class LayoutChoices:
    """What the user has chosen to see.

    Attributes:
        hidden: panels that are not shown.
        widths: width relative to the usual one; 1 where left out.
        heights: height relative to the usual one; a row is as high as its highest panel.
        full: the panel that fills the screen.
        chart: the chart that is shown where there is room for one.
        side: the panel beside it.
        single: the panel that is shown where there is room for one.
    """

    hidden: list[str] = field(default_factory=list)
    widths: dict[str, float] = field(default_factory=dict)
    heights: dict[str, float] = field(default_factory=dict)
    full: str | None = None
    chart: str = "loss"
    side: str = "samples"
    single: str = "removal"

    def go_to(self, panel: str) -> None:
        """Bring a panel into view wherever there is not room for all."""
        self.single = panel
        if panel in CHARTS:
            self.chart = panel
        elif panel != "removal":
            self.side = panel
        if panel in self.hidden:
            self.hidden.remove(panel)
        if self.full is not None:
            self.full = panel

    def scale(self, panel: str, factor: float) -> None:
        """Make a panel larger or smaller."""
        for weights in (self.widths, self.heights):
            weights[panel] = bounded(weights.get(panel, 1.0) * factor)

    def reset_sizes(self) -> None:
        """Give all panels their usual sizes."""
        self.widths.clear()
        self.heights.clear()


def bounded(weight: float) -> float:
    """The relative size, within its limits."""
    return round(min(max(weight, LIGHTEST), HEAVIEST), 3)


def shape_of(width: int, height: int) -> Shape:
    """The arrangement for a terminal of this size."""
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return "too small"
    if width >= 104 and height >= 30:
        return "grid"
    if width >= 72 and height >= 23:
        return "compact"
    return "stack" if height >= 36 else "spine"


def arrange(width: int, height: int, shape: Shape, choices: LayoutChoices) -> dict[str, Region]:
    """The panels in view, each with its cells in an area of this size."""
    if shape == "too small":
        return {}
    single = choices.full or (choices.single if shape == "spine" else None)
    if single is not None:
        return {single: Region(0, 0, width, height)}
    regions, y = {}, 0
    rows = panel_rows(shape, height, choices)
    tall = [share * max(choices.heights.get(name, 1.0) for name, _ in row) for share, row in rows]
    for (_, row), lines in zip(rows, divide(height, tall, LEAST_HEIGHT), strict=True):
        x = 0
        wide = [part * choices.widths.get(name, 1.0) for name, part in row]
        for (name, _), columns in zip(row, divide(width, wide, LEAST_WIDTH), strict=True):
            regions[name] = Region(x, y, columns, lines)
            x += columns
        y += lines
    return regions


def panel_rows(shape: Shape, height: int, choices: LayoutChoices) -> Rows:
    """Rows of panels with their usual relative sizes, without the hidden ones."""
    if shape == "grid":
        rows = GRID
    elif shape == "compact":
        top = 8 if height >= 24 else 7
        middle = [(choices.chart, 44.0), (choices.side, 36.0)]
        rows = [(top, [("removal", 1.0)]), (max(1, height - top), middle)]
    else:
        rows = [(9, [("removal", 1.0)]), (13, [(choices.chart, 1.0)]), (11, [(choices.side, 1.0)])]
    hidden = choices.hidden
    shown = [(share, [part for part in row if part[0] not in hidden]) for share, row in rows]
    first = next((name for name in PANEL_IDS if name not in hidden), "removal")
    return [(share, row) for share, row in shown if row] or [(1.0, [(first, 1.0)])]


def divide(total: int, shares: Sequence[float], least: int) -> list[int]:
    """Whole numbers that add up to `total`, by their shares, none below `least` if possible."""
    least = min(least, total // len(shares))
    spare = total - least * len(shares)
    extra = [max(0.0, total * share / sum(shares) - least) for share in shares]
    most = sum(extra) or 1.0
    exact = [least + spare * part / most for part in extra]
    parts = [int(part) for part in exact]
    by_rest = sorted(range(len(parts)), key=lambda at: parts[at] - exact[at])
    for at in by_rest[: total - sum(parts)]:
        parts[at] += 1
    return parts
