"""Borders between panels: the one under the pointer, and dragging it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise

from textual.css.types import PointerShape
from textual.geometry import Region

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.frame.layout import (
    CHARTS,
    LEAST_HEIGHT,
    LEAST_WIDTH,
    LayoutChoices,
    Rows,
    Shape,
    bounded,
)

Names = tuple[str, ...]


@dataclass(frozen=True)
class BorderHandle:
    """The borders that can be dragged at some place; two at a corner.

    Attributes:
        beside: the panels to the left and to the right of the border.
        stacked: the rows of panels above and below it.
    """

    beside: tuple[str, str] | None = None
    stacked: tuple[Names, Names] | None = None

    @property
    def edges(self) -> dict[str, Names]:
        """The panels whose left, right, top or bottom edge it is."""
        left, right = ((self.beside[0],), (self.beside[1],)) if self.beside else ((), ())
        above, below = self.stacked or ((), ())
        return {"right": left, "left": right, "bottom": above, "top": below}

    @property
    def pointer(self) -> PointerShape:
        """The shape of a pointer that can drag it."""
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
    """A border that is being dragged.

    Attributes:
        start: the cell where the drag began.
        regions, shape, rows: of the panels at that moment.
    """

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
