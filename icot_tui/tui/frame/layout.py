"""Which panel stands where, by the terminal's size and the user's choices; dragging borders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Literal

from textual.css.types import PointerShape
from textual.geometry import Region

from icot_tui.tui.actions.table import PANEL_IDS

Shape = Literal["grid", "compact", "stack", "spine", "too small"]
Rows = list[tuple[float, list[tuple[str, float]]]]
"""Rows from the top: (relative height, panels from the left with their relative widths)."""
Names = tuple[str, ...]

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
    """What the user has chosen to see; sizes are relative to the usual ones, 1 where left out."""

    hidden: list[str] = field(default_factory=list)
    widths: dict[str, float] = field(default_factory=dict)
    heights: dict[str, float] = field(default_factory=dict)  # a row is as high as its highest panel
    full: str | None = None  # fills the screen
    chart: str = "loss"  # where there is room for one chart
    side: str = "samples"  # beside that chart
    single: str = "removal"  # where there is room for one panel

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
        for weights in (self.widths, self.heights):
            weights[panel] = bounded(weights.get(panel, 1.0) * factor)


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


@dataclass(frozen=True)
class BorderHandle:
    """The borders that can be dragged at some place; two at a corner."""

    beside: tuple[str, str] | None = None  # the panels to the left and to the right
    stacked: tuple[Names, Names] | None = None  # the rows of panels above and below

    @property
    def edges(self) -> dict[str, Names]:
        """The panels whose left, right, top or bottom edge it is."""
        left, right = ((self.beside[0],), (self.beside[1],)) if self.beside else ((), ())
        above, below = self.stacked or ((), ())
        return {"right": left, "left": right, "bottom": above, "top": below}

    @property
    def pointer(self) -> PointerShape:
        if self.beside and self.stacked:
            return "move"
        return "ew-resize" if self.beside else "ns-resize" if self.stacked else "default"


def border_at(regions: Mapping[str, Region], x: int, y: int) -> BorderHandle:
    """The borders at this cell; each is two cells wide, one of either panel."""
    rows = _names_by_row(regions)
    beside = [
        (left, right)
        for row in rows
        for left, right in pairwise(row)
        if x - regions[right].x in (-1, 0) and 0 <= y - regions[right].y < regions[right].height
    ]
    stacked = [
        (above, below) for above, below in pairwise(rows) if y - regions[below[0]].y in (-1, 0)
    ]
    return BorderHandle(*beside[:1] or (None,), *stacked[:1])


@dataclass(frozen=True)
class BorderDrag:
    """A border that is being dragged, and the panels when the drag began, at the cell `start`."""

    handle: BorderHandle
    start: tuple[int, int]
    regions: Mapping[str, Region]
    shape: Shape
    rows: Rows

    def move_to(self, x: int, y: int, choices: LayoutChoices) -> None:
        """Choose sizes that bring the border to this cell.

        Panels keep their least size, and those that do not touch the border keep theirs.
        """
        rows = _names_by_row(self.regions)
        if self.handle.beside is not None:
            at = next(at for at, row in enumerate(rows) if self.handle.beside[0] in row)
            wide = {name: self.regions[name].width for name in rows[at]}
            _resize(wide, *self.handle.beside, x - self.start[0], LEAST_WIDTH)
            choices.widths |= self._for_all_turns(_weights(wide, dict(self.rows[at][1])))
        if self.handle.stacked is not None:
            (above, *_), (below, *_) = self.handle.stacked
            tall = {row[0]: self.regions[row[0]].height for row in rows}
            _resize(tall, above, below, y - self.start[1], LEAST_HEIGHT)
            usual = {row[0]: share for row, (share, _) in zip(rows, self.rows, strict=True)}
            found = _weights(tall, usual)
            heights = {name: found[row[0]] for row in rows for name in row}
            choices.heights |= self._for_all_turns(heights)

    def _for_all_turns(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Panels that take turns in one place share its size."""
        if self.shape == "grid":
            return dict(weights)
        turns = CHARTS, tuple(name for name in PANEL_IDS if name not in (*CHARTS, "removal"))
        return {
            name: weight
            for seen, weight in weights.items()
            for name in next((turn for turn in turns if seen in turn), (seen,))
        }


def _names_by_row(regions: Mapping[str, Region]) -> list[Names]:
    return [tuple(row) for _, row in groupby(regions, key=lambda name: regions[name].y)]


def _resize(sizes: dict[str, int], before: str, after: str, by: int, least: int) -> None:
    """One gets what the other loses."""
    by = max(min(by, sizes[after] - least), least - sizes[before])
    sizes[before] += by
    sizes[after] -= by


def _weights(sizes: Mapping[str, int], usual: Mapping[str, float]) -> dict[str, float]:
    """The relative sizes for which `layout.divide` gives exactly these sizes."""
    whole = sum(usual[name] for name in sizes) / sum(sizes.values())
    return {name: bounded(size * whole / usual[name]) for name, size in sizes.items()}
