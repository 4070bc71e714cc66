"""Which panel stands where: a pure function of the size and of what the user wants to see."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from icot_tui.tui.actions.table import PANEL_IDS

Shape = Literal["grid", "compact", "stack", "spine", "too small"]

SMALLEST = (50, 20)
"""Columns and rows of a terminal below which nothing can be read."""
HEADER, FOOTER, TABS = 1, 1, 1
CHARTS = ("loss", "accuracy")
ROWS: tuple[tuple[int, tuple[tuple[str, int], ...]], ...] = (
    (10, (("removal", 52), ("resets", 26), ("machine", 42))),
    (16, (("loss", 1), ("accuracy", 1))),
    (13, (("spikes", 38), ("samples", 40), ("log", 42))),
)
"""The grid: rows with their heights, and in them panels with their widths, all relative."""
LEAST_WIDTH, LEAST_HEIGHT = 16, 5
LIGHTEST, HEAVIEST = 0.15, 4.0
"""How small and how large a panel can be made, beside its usual size."""


@dataclass(frozen=True)
class Box:
    """Where a panel stands, in cells."""

    x: int
    y: int
    width: int
    height: int


@dataclass
class LayoutChoices:
    """What the user wants to see.

    Attributes:
        hidden: panels that are not shown.
        widths: how much wider than usual; 1 where left out.
        heights: how much higher than usual; a row is as high as its highest panel.
        full: the panel that has the whole screen.
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
        """Bring a panel in wherever there is not room for all."""
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

    def usual_sizes(self) -> None:
        """Take back what was made larger or smaller."""
        self.widths.clear()
        self.heights.clear()


def bounded(weight: float) -> float:
    """What is left of a weight that is too small or too large to be useful."""
    return round(min(max(weight, LIGHTEST), HEAVIEST), 3)


def shape_of(width: int, height: int) -> Shape:
    """How a terminal of this size is used."""
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return "too small"
    if width >= 104 and height >= 30:
        return "grid"
    if width >= 72 and height >= 23:
        return "compact"
    return "stack" if height >= 36 else "spine"


def arrange(width: int, height: int, shape: Shape, wanted: LayoutChoices) -> dict[str, Box]:
    """The panels that are seen, and where, in an area of this size."""
    if shape == "too small":
        return {}
    if wanted.full is not None:
        return {wanted.full: Box(0, 0, width, height)}
    if shape == "spine":
        return {wanted.single: Box(0, 0, width, height)}
    return _rows(width, height, plan(shape, height, wanted), wanted)


Plan = list[tuple[float, list[tuple[str, float]]]]


def plan(shape: Shape, height: int, wanted: LayoutChoices) -> Plan:
    """Rows of panels, with relative heights and widths, less those that are hidden."""
    if shape == "grid":
        rows: Plan = [(share, [(name, part) for name, part in row]) for share, row in ROWS]
    elif shape == "compact":
        top = 8 if height >= 24 else 7
        middle = [(wanted.chart, 44.0), (wanted.side, 36.0)]
        rows = [(top, [("removal", 1.0)]), (max(1, height - top), middle)]
    else:
        rows = [(9, [("removal", 1.0)]), (13, [(wanted.chart, 1.0)]), (11, [(wanted.side, 1.0)])]
    shown = [
        (share, [(name, part) for name, part in row if name not in wanted.hidden])
        for share, row in rows
    ]
    kept = [(share, row) for share, row in shown if row]
    left = next((name for name in PANEL_IDS if name not in wanted.hidden), "removal")
    return kept or [(1.0, [(left, 1.0)])]


def _rows(width: int, height: int, plan: Plan, wanted: LayoutChoices) -> dict[str, Box]:
    boxes, y = {}, 0
    tall = [share * max(wanted.heights.get(name, 1.0) for name, _ in row) for share, row in plan]
    for (_, row), rows in zip(plan, divide(height, tall, LEAST_HEIGHT), strict=True):
        x = 0
        wide = [part * wanted.widths.get(name, 1.0) for name, part in row]
        for (name, _), columns in zip(row, divide(width, wide, LEAST_WIDTH), strict=True):
            boxes[name] = Box(x, y, columns, rows)
            x += columns
        y += rows
    return boxes


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
