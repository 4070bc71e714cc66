"""Keys that come faster than the screens they are meant for."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.screens.runs import Runs
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.random_keys import KEYS, SIZES, post_keys, walk_over_the_workbench
from tests.screens.workbench import a_run, drive, settled


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_keys_break_nothing(tmp_path: Path, seed: int) -> None:
    assert walk_over_the_workbench(tmp_path, seed, 150)


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys",
    [
        ("r", "enter", "enter"),
        ("r", "escape", "r"),
        ("r", "escape", "escape"),
        (":", "enter", "enter"),
        (":", "escape", "escape"),
        ("?", "escape", "enter", "q"),
        ("t", "enter", "enter"),
        ("v", "v", "v"),
        ("v", "space", "v", "space"),
        (":", "a", "escape", "b", "c"),
    ],
    ids=" ".join,
)
def test_a_list_is_closed_before_it_is_filled(tmp_path: Path, keys: tuple[str, ...]) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        post_keys(app, keys)
        await settled(pilot)
        assert app.screen_stack[0] is app.live and len(app.screen_stack) <= 2

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_whatever_a_key_opens_is_resized_while_it_is_mounted_and_dismissed_twice(
    tmp_path: Path,
) -> None:
    told, opened = a_run(tmp_path), set()

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        for number, key in enumerate(KEYS):
            post_keys(app, [key])
            await pilot.resize_terminal(*SIZES[number % len(SIZES)])
            await settled(pilot)
            opened.add(type(app.screen).__name__)
            post_keys(app, [key])
            post_keys(app, ["escape", "escape", "escape"])
            await settled(pilot)
            assert app.screen_stack[0] is app.live and len(app.screen_stack) <= 2, key
            while app.screen is not app.live:
                app.screen.dismiss()
                await settled(pilot)

    drive(tmp_path, steps, told.source)
    assert len(opened) > 6, opened


@pytest.mark.slow
def test_a_covered_dialog_stays_when_the_upper_one_closes(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        app.action_perform("runs")
        await settled(pilot)
        runs = app.screen
        app.action_perform("help")
        await settled(pilot)
        runs.dismiss()
        post_keys(app, ["escape"])
        await settled(pilot)
        assert app.screen is runs and isinstance(runs, Runs)

    drive(tmp_path, steps, told.source)


def test_full_screen_in_a_terminal_that_shows_nothing(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        app.set_focus(None)
        post_keys(app, ["f"])
        await settled(pilot)
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert app.live.board.seen

    drive(tmp_path, steps, told.source, size=(45, 20))


@pytest.mark.parametrize("key", ["pageup", "pagedown"])
@pytest.mark.parametrize("action", ["palette", "runs", "theme"])
@pytest.mark.slow
def test_a_page_in_a_list_without_height_is_no_page(tmp_path: Path, action: str, key: str) -> None:
    """As it is for a moment when it opens, and on a terminal that is too small."""
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        app.action_perform(action)
        await settled(pilot)
        options = app.screen.query_one(OptionList)
        options.styles.border = ("none", "transparent")
        options.styles.height = options.styles.min_height = 0
        options.highlighted = 0
        await settled(pilot)
        options._clear_caches()
        assert not options.scrollable_content_region
        post_keys(app, [key])
        await settled(pilot)
        assert options.highlighted == 0

    drive(tmp_path, steps, told.source)
