"""Dialogs show all that can be chosen, however small the terminal is."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.widgets import OptionList

from icot_tui.engine.journal.events import CheckpointSaved
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.screens.dialog import fitting_keys
from icot_tui.tui.screens.questions import checkpoint_dialog
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.workbench import a_run, dialog, drive, press, until

Go = Pilot[ExitChoice]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(50, 20), (80, 24), (120, 40)])
def test_what_is_highlighted_is_in_sight_to_the_end_of_every_list(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    told = a_run(tmp_path)
    for step in range(1, 40):
        checkpoint = told.folder.checkpoints / f"step-{step:08d}"
        checkpoint.mkdir()
        (checkpoint / "manifest.json").write_text("{}")
        told.tell(CheckpointSaved(step=step, path=checkpoint.name, stage=0, bytes=100, seconds=0.1))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        for key in ("b", "t", "v", "u", "X", "o", "r"):
            await press(pilot, key)
            options = dialog(app).query_one(OptionList)
            box = dialog(app).query_one(".box").region
            assert box in app.screen.region
            for at in (0, options.option_count - 1):
                options.highlighted = at
                await pilot.pause(0.05)
                first = options._index_to_line[at] - round(options.scroll_y)
                end = options.region.y + first + options._heights[at]
                assert first >= 0 and end < box.bottom, (key, at)
            for widget in dialog(app).query(".box > *"):
                assert not widget.display or widget.region in box, (key, widget)
            await press(pilot, "escape")

    drive(tmp_path, steps, told.source, size, control=True)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(50, 20), (80, 24), (120, 40)])
def test_the_palette_shows_what_is_highlighted_to_the_end_of_its_list(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, ":")
        options = app.screen.query_one(OptionList)
        await until(pilot, lambda: options.option_count == len(app.actions.runner.available()))
        for at in (0, options.option_count - 1):
            options.highlighted = at
            await pilot.pause(0.05)
            first = options._index_to_line[at] - round(options.scroll_y)
            end = options.region.y + first + options._heights[at]
            assert first >= 0 and end < options.region.bottom <= size[1], at
        assert options.region in app.screen.region
        await press(pilot, "escape")
        assert app.screen is app.live

    drive(tmp_path, steps, told.source, size, control=True)


@pytest.mark.slow
def test_scroll_bars_are_those_of_the_app_that_is_seen(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        seen.append(ScrollBar.renderer is ScrollBarRender)

    seen: list[bool] = []
    drive(tmp_path, steps, told.source, ascii=True)
    drive(tmp_path, steps, told.source)
    assert seen == [False, True]


def test_checkpoints_are_listed_with_the_accuracy_measured_at_their_step(tmp_path: Path) -> None:
    choices = checkpoint_dialog(a_run(tmp_path).view(), str)._choices
    assert [choice.value for choice in choices] == [100, 0]
    assert ["90.0 %" in choice.label for choice in choices] == [True, False]


def test_of_the_keys_of_a_dialog_the_first_and_the_one_that_closes_stay_longest() -> None:
    keys = "enter opens, space overlays, / filters, escape closes"
    assert fitting_keys(keys, 60) == keys
    assert fitting_keys(keys, 45) == "enter opens, space overlays, escape closes"
    assert fitting_keys(keys, 30) == "enter opens, escape closes"
    assert fitting_keys(keys, 20) == "escape closes"
