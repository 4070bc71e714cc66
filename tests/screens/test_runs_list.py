"""The list of runs: filter, overlay, open."""

import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from icot_tui.engine.journal.events import RunEnded
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.screens.runs import Runs
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.workbench import a_run, dialog, drive, picture, press, until

Go = Pilot[ExitChoice]


@pytest.mark.slow
def test_runs_are_listed_filtered_laid_over_and_opened(tmp_path: Path) -> None:
    told = a_run(tmp_path, "first")
    other = a_run(tmp_path, "second")
    other.tell(RunEnded(step=250, reason="done", finished=True))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r")
        options = dialog(app).query_one(OptionList)
        lines = {str(options.get_option_at_index(at).prompt)[3:9].strip() for at in range(2)}
        assert lines == {"first", "second"}
        await press(pilot, "/", *"second")
        assert options.option_count == 1
        line = str(options.get_option_at_index(0).prompt)
        assert "finished" in line and "2 of 8" in line and "90.0 %" in line
        await press(pilot, "enter", "space")
        assert [overlay.name for overlay in app.monitor.overlays] == ["second"]
        await press(pilot, "enter")
        assert app.monitor.source is not None
        assert app.monitor.source.folder.name == "second" and not app.monitor.overlays
        assert "second" in picture(app)[0] or "told" in picture(app)[0]

    drive(tmp_path, steps, told.source)


def test_a_highlighted_run_stays_so_when_others_come_and_go(tmp_path: Path) -> None:
    told = [a_run(tmp_path, name) for name in ("first", "second")]

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r")
        options = dialog(app).query_one(OptionList)
        options.highlighted = 1
        highlighted = names(options)[1]
        a_run(tmp_path, "third")
        await until(pilot, lambda: options.option_count == 3)
        assert options.highlighted is not None
        assert names(options)[options.highlighted] == highlighted
        for folder in tmp_path.glob("*/config.toml"):
            shutil.rmtree(folder.parent)
        await until(pilot, lambda: options.option_count == 0)

    def names(options: OptionList) -> list[str]:
        return [str(one.prompt)[3:9].strip() for one in options.options]

    drive(tmp_path, steps, told[0].source)


@pytest.mark.slow
def test_without_any_run_one_is_told_what_to_do(tmp_path: Path) -> None:
    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Runs)
        assert "icot-tui launch" in "\n".join(picture(app))
        await press(pilot, "escape")

    drive(tmp_path / "none", steps, None)
