"""Borders between panels are found, dragged, and stay where they were let go."""

import random
from pathlib import Path

import pytest
from textual.events import MouseMove
from textual.geometry import Offset, Region
from textual.pilot import Pilot

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.frame.layout import (
    LEAST_HEIGHT,
    LEAST_WIDTH,
    BorderDrag,
    BorderHandle,
    LayoutChoices,
    arrange,
    border_at,
    panel_rows,
    shape_of,
)
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.workbench import a_run, drive, settled

Go = Pilot[ExitChoice]


class Area:
    """Panels in an area, and a pointer over them."""

    def __init__(self, width: int, height: int, choices: LayoutChoices) -> None:
        self.size, self.choices = (width, height - 3), choices
        self.shape = shape_of(width, height)

    @property
    def boxes(self) -> dict[str, Region]:
        return arrange(*self.size, self.shape, self.choices)

    def handle(self, at: tuple[int, int]) -> BorderHandle:
        return border_at(self.boxes, *at)

    def pull(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        boxes = self.boxes
        handle = border_at(boxes, *start)
        rows = panel_rows(self.shape, self.size[1], self.choices)
        BorderDrag(handle, start, boxes, self.shape, rows).move_to(*end, self.choices)


def test_borders_are_two_cells_wide_and_cross_at_corners() -> None:
    boxes = {"a": Region(0, 0, 10, 5), "b": Region(10, 0, 10, 5), "c": Region(0, 5, 20, 5)}
    assert border_at(boxes, 9, 2) == border_at(boxes, 10, 2) == BorderHandle(beside=("a", "b"))
    assert (
        border_at(boxes, 3, 4)
        == border_at(boxes, 3, 5)
        == BorderHandle(stacked=(("a", "b"), ("c",)))
    )
    assert border_at(boxes, 10, 4) == BorderHandle(("a", "b"), (("a", "b"), ("c",)))
    for x, y in ((5, 2), (11, 2), (0, 2), (10, 7), (3, 9)):
        assert border_at(boxes, x, y) == BorderHandle()


@pytest.mark.parametrize("size", [(120, 40), (200, 60), (80, 24), (60, 50)])
def test_a_border_follows_the_pointer_and_no_other_one_moves(size: tuple[int, int]) -> None:
    chance = random.Random(0)
    for _ in range(300):
        hidden = [panel for panel in PANEL_IDS if chance.random() < 0.1]
        area = Area(*size, LayoutChoices(hidden))
        before = area.boxes
        start = chance.randrange(area.size[0]), chance.randrange(area.size[1])
        handle = area.handle(start)
        by = chance.randint(-3, 3), chance.randint(-2, 2)
        area.pull(start, (start[0] + by[0], start[1] + by[1]))
        after = area.boxes
        held = handle.edges
        for name, box in before.items():
            moved = after[name]
            across = (name in held["right"]) - (name in held["left"])
            down = (name in held["bottom"]) - (name in held["top"])
            wide, tall = box.width + across * by[0], box.height + down * by[1]
            assert moved.width == wide or LEAST_WIDTH in (moved.width, *beside(after, handle))
            assert moved.height == tall or LEAST_HEIGHT in (moved.height, *stacked(after, handle))


def beside(boxes: dict[str, Region], handle: BorderHandle) -> list[int]:
    return [boxes[name].width for name in handle.beside or ()]


def stacked(boxes: dict[str, Region], handle: BorderHandle) -> list[int]:
    return [boxes[name].height for row in handle.stacked or () for name in row]


def test_a_place_that_panels_take_turns_in_keeps_its_size() -> None:
    area = Area(80, 24, LayoutChoices())
    corner = area.boxes["samples"]
    area.pull((corner.x, corner.y), (corner.x + 5, corner.y + 2))
    held = area.boxes["samples"]
    assert (held.x, held.y) == (corner.x + 5, corner.y + 2)
    for panel in ("accuracy", "log", "machine"):
        area.choices.go_to(panel)
        assert held in area.boxes.values()


async def pull(pilot: Go, to: Offset) -> None:
    """Move the mouse with its button held."""
    await pilot._post_mouse_events([MouseMove], offset=to, button=1)
    await settled(pilot)


@pytest.mark.slow
def test_borders_light_up_are_dragged_with_the_mouse_and_remembered(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    path = tmp_path / "state" / "screen.json"

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        panels, board = app.live.board.panels, app.live.board
        corner = panels["accuracy"].region.offset
        await pilot.hover(offset=corner + Offset(0, 4))
        assert panels["loss"].has_class("-right") and panels["accuracy"].has_class("-left")
        assert board.styles.pointer == "ew-resize"
        await pilot.hover(offset=corner + Offset(9, 4))
        assert not panels["accuracy"].has_class("-left") and board.styles.pointer == "default"
        await pilot.mouse_down(offset=corner)
        assert panels["resets"].has_class("-bottom") and board.styles.pointer == "move"
        await pull(pilot, corner + Offset(-7, 1))
        assert panels["accuracy"].region.offset == corner + Offset(-7, 1)
        assert not app.live.get_selected_text()
        await pull(pilot, corner + Offset(-12, 3))
        await pilot.mouse_up(offset=corner + Offset(-12, 3))
        await settled(pilot)
        assert panels["accuracy"].region.offset == corner + Offset(-12, 3)
        await pilot.hover(offset=corner + Offset(-12, 3))
        await pilot.hover(offset=(0, 0))
        assert not panels["accuracy"].classes & {"-left", "-top"}
        places.append(panels["accuracy"].region)

    places: list[Region] = []
    drive(tmp_path, steps, told.source)

    async def later(app: WorkbenchApp, pilot: Go) -> None:
        assert app.live.board.panels["accuracy"].region == places[0]

    drive(tmp_path, later, told.source, state=UserState.load(path))


@pytest.mark.slow
def test_with_little_bandwidth_panels_move_once_the_border_is_let_go(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        log = app.live.board.panels["log"]
        before = log.region.offset
        await pilot.mouse_down(offset=before + Offset(0, 3))
        await pull(pilot, before + Offset(5, 3))
        assert log.region.offset == before
        await pilot.mouse_up(offset=before + Offset(5, 3))
        await settled(pilot)
        assert log.region.offset == before + Offset(5, 0)

    drive(tmp_path, steps, told.source, low_bandwidth=True)


@pytest.mark.slow
def test_a_border_let_go_outside_of_the_terminal_or_while_it_is_resized_is_free(
    tmp_path: Path,
) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        log = app.live.board.panels["log"]
        before = log.region.offset
        await pilot.mouse_down(offset=before + Offset(0, 3))
        await pilot.hover(offset=before + Offset(5, 3))
        await pull(pilot, before + Offset(8, 3))
        assert log.region.offset == before
        await pilot.mouse_down(offset=before + Offset(0, 3))
        await pilot.resize_terminal(140, 40)
        await settled(pilot)
        resized = log.region
        await pull(pilot, before + Offset(-9, 3))
        assert log.region == resized and app.mouse_captured is None

    drive(tmp_path, steps, told.source)
