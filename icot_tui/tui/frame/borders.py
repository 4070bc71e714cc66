"""Borders between panels: which one lies under the pointer, and how it is dragged."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise

from textual.css.types import PointerShape

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.frame.layout import (
    CHARTS,
    LEAST_HEIGHT,
    LEAST_WIDTH,
    Box,
    LayoutChoices,
    Plan,
    Shape,
    bounded,
)

Names = tuple[str, ...]


@dataclass(frozen=True)
class BorderHandle:
    """What of a board can be dragged at some place; at a corner it is both.

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
        """How a pointer looks that can drag it, as style sheets call it."""
        if self.beside and self.stacked:
            return "move"
        return "ew-resize" if self.beside else "ns-resize" if self.stacked else "default"


def border_at(boxes: Mapping[str, Box], x: int, y: int) -> BorderHandle:
    """The borders at this cell; each is two cells wide, one of either panel."""
    rows = _rows(boxes)
    beside = [
        (left, right)
        for row in rows
        for left, right in pairwise(row)
        if x - boxes[right].x in (-1, 0) and 0 <= y - boxes[right].y < boxes[right].height
    ]
    stacked = [
        (above, below) for above, below in pairwise(rows) if y - boxes[below[0]].y in (-1, 0)
    ]
    return BorderHandle(*beside[:1] or (None,), *stacked[:1])


@dataclass(frozen=True)
class BorderDrag:
    """A border that is held.

    Attributes:
        at: the cell where it was taken.
        boxes, shape, plan: of the board at that moment.
    """

    grip: BorderHandle
    at: tuple[int, int]
    boxes: Mapping[str, Box]
    shape: Shape
    plan: Plan

    def drag(self, x: int, y: int, wanted: LayoutChoices) -> None:
        """Want such sizes that the border comes to this cell.

        Panels keep their least size, and those that are not beside the border keep theirs.
        """
        rows = _rows(self.boxes)
        if self.grip.beside is not None:
            at = next(at for at, row in enumerate(rows) if self.grip.beside[0] in row)
            wide = {name: self.boxes[name].width for name in rows[at]}
            _move(wide, *self.grip.beside, x - self.at[0], LEAST_WIDTH)
            wanted.widths |= self._for_turns(_weights(wide, dict(self.plan[at][1])))
        if self.grip.stacked is not None:
            (above, *_), (below, *_) = self.grip.stacked
            tall = {row[0]: self.boxes[row[0]].height for row in rows}
            _move(tall, above, below, y - self.at[1], LEAST_HEIGHT)
            usual = {row[0]: share for row, (share, _) in zip(rows, self.plan, strict=True)}
            found = _weights(tall, usual)
            wanted.heights |= self._for_turns({name: found[row[0]] for row in rows for name in row})

    def _for_turns(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Where panels take turns in one place, its size is that of all of them."""
        if self.shape == "grid":
            return dict(weights)
        turns = CHARTS, tuple(name for name in PANEL_IDS if name not in (*CHARTS, "removal"))
        return {
            name: weight
            for seen, weight in weights.items()
            for name in next((turn for turn in turns if seen in turn), (seen,))
        }


def _rows(boxes: Mapping[str, Box]) -> list[Names]:
    return [tuple(row) for _, row in groupby(boxes, key=lambda name: boxes[name].y)]


def _move(sizes: dict[str, int], before: str, behind: str, by: int, least: int) -> None:
    """Give to one what the other loses."""
    by = max(min(by, sizes[behind] - least), least - sizes[before])
    sizes[before] += by
    sizes[behind] -= by


def _weights(sizes: Mapping[str, int], usual: Mapping[str, float]) -> dict[str, float]:
    """How much larger than usual these are, for `layout.divide` to give them just these sizes."""
    whole = sum(usual[name] for name in sizes) / sum(sizes.values())
    return {name: bounded(size * whole / usual[name]) for name, size in sizes.items()}
