"""What the screen keeps of a run that goes on and on."""

import gc
import tracemalloc
from pathlib import Path

from textual.geometry import Offset, Region

from icot_tui.engine.journal.events import CheckpointSaved
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.panels.base import Lines
from tests.screens.panel_run import Told, a_sample
from tests.screens.workbench import Go, a_run, drive, settled

MOST_BYTES = 8000
"""Of an evaluation, the checkpoint before it and fifty steps, with their lines in the log.

The demo has some 120 of them an hour. They took 10,300; 2,500 are room for more steps.
"""


def go_on(told: Told, app: WorkbenchApp, times: int) -> None:
    """Train, save and evaluate so many times, and draw the screen for every fifth."""
    for number in range(times):
        told.train(50, 0.5 + told.step % 3000 / 10_000)
        told.tell(
            CheckpointSaved(
                step=told.step, path=f"step-{told.step:08d}", stage=2, bytes=10**6, seconds=0.1
            )
        )
        exact = 0.9 + told.step % 1000 / 10_000
        told.evaluate(exact, [1.0, 0.9, 0.8, 0.7], a_sample("0 7 5 0"))
        if number % 5 == 4:
            app.redraws._drawn_at = 0.0
            app.draw()


def test_what_is_kept_of_a_run_that_goes_on_is_little(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    kept = []

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        app.set_timer = lambda *arguments, **named: None  # type: ignore[assignment,method-assign,misc]
        go_on(told, app, 60)
        await settled(pilot)
        tracemalloc.start(1)
        try:
            for _ in range(2):
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
                go_on(told, app, 60)
                await settled(pilot)
                gc.collect()
                kept.append((tracemalloc.get_traced_memory()[0] - before) / 60)
        finally:
            tracemalloc.stop()

    drive(tmp_path, steps, told.source)
    assert min(kept) < MOST_BYTES, kept


def test_a_line_is_painted_without_its_place_which_a_selection_asks_for(tmp_path: Path) -> None:
    """A place makes a style of its own, and Textual keeps the last 16,384 styles."""
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        go_on(told, app, 30)
        await settled(pilot)
        lines = app.live.board.panels["log"].query_one(Lines)
        painted = lines.render_lines(Region(0, 0, *lines.size))
        styles = [style for strip in painted for _, style, _ in strip if style is not None]
        assert styles and not any("offset" in style.meta for style in styles)
        place = lines.region.offset + Offset(12, 1)
        widget, offset = app.screen.get_widget_and_offset_at(*place)
        assert widget is lines and offset == Offset(12, lines.above + 1)

    drive(tmp_path, steps, told.source)
