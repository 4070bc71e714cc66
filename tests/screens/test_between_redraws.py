"""What comes between two redraws: another size below a dialog, keys in quick succession."""

import time
from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.timer import Timer
from textual.widget import Widget

from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.source import RunFollower
from tests.screens.workbench import a_run, dialog, drive, press, settled, until


@pytest.mark.slow
def test_what_lies_below_a_dialog_fits_too(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "?")
        for size, seen in (((45, 25), "-small"), ((60, 25), "-tabs")):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert app.live.has_class(seen)
            box = dialog(app).query_one(".box").region
            assert box.x >= 0 and box.right <= size[0]
        await press(pilot, "escape")
        assert app.live.board.seen and all(
            panel.region.right <= 60 for panel in app.live.board.seen
        )

    drive(tmp_path, steps, RunFollower(told.folder))


def test_keys_in_quick_succession_mean_the_same_panel(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await pilot.press("8", "f", "home")
        await settled(pilot)
        assert [panel.id for panel in app.live.board.seen] == ["log"]
        assert app.live.focused_panel is app.live.board.panels["log"]

    drive(tmp_path, steps, RunFollower(told.folder), size=(80, 24))


@pytest.mark.slow
def test_news_of_a_run_move_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layout of the whole screen costs as much as all else that a redraw does."""
    told = a_run(tmp_path)
    asked: list[str] = []
    refresh = Widget.refresh

    def noted(widget: Widget, *regions: Region, layout: bool = False, **options: Any) -> Widget:
        if layout:
            asked.append(type(widget).__name__)
        return refresh(widget, *regions, layout=layout, **options)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        for _ in range(3):
            told.train(20, 0.5)
            app.draw()
            await settled(pilot)
        asked.clear()
        monkeypatch.setattr(Widget, "refresh", noted)
        for _ in range(5):
            told.train(20, 0.4)
            app.draw()
            await settled(pilot)
        assert asked == []

    drive(tmp_path, steps, RunFollower(told.folder), size=(120, 40))


def test_a_held_up_screen_still_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that starts late runs all the same: training may hold the screen's thread up."""
    told = a_run(tmp_path)
    delays: list[float] = []
    run, read_clock = Timer._run, time.monotonic

    async def run_late(self: Timer) -> None:
        if self._repeat == 0 and self._interval < 0.02:
            delays.extend((0.05, 0.05))
        await run(self)

    def read_late() -> float:
        if delays:
            time.sleep(delays.pop())
        return read_clock()

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        with monkeypatch.context() as held_up:
            held_up.setattr(Timer, "_run", run_late)
            held_up.setattr("textual._time.get_time", read_late)
            await pilot.resize_terminal(60, 25)
            await settled(pilot)
        await pilot.resize_terminal(45, 25)
        await until(pilot, lambda: app.live.has_class("-small"))

    drive(tmp_path, steps, RunFollower(told.folder))
