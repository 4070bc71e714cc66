"""The list of runs: filter, overlay, open."""

import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.notes import Notes, read_notes
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.text import text_of
from icot_tui.tui.screens.runs import Runs
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.panel_run import a_sample
from tests.screens.workbench import a_run, dialog, drive, picture, press, toasts, until

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


@pytest.mark.slow
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

    drive(tmp_path, steps, told[0].source)


@pytest.mark.slow
def test_without_any_run_one_is_told_what_to_do(tmp_path: Path) -> None:
    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Runs)
        assert "icot-tui launch" in "\n".join(picture(app))
        await press(pilot, "escape")

    drive(tmp_path / "none", steps, None)


@pytest.mark.slow
def test_runs_are_sorted_tagged_noted_renamed_and_deleted(tmp_path: Path) -> None:
    told = a_run(tmp_path, "first")
    for name, exact in (("second", 0.5), ("third", 0.95)):
        other = a_run(tmp_path, name)
        other.evaluate(exact, [exact] * 4, a_sample("0 7 5 0"))
        other.tell(RunEnded(step=250, reason="done", finished=True))
        other.folder.unlock()

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r", "s")
        options = dialog(app).query_one(OptionList)
        assert names(options) == ["third", "first", "second"]
        options.highlighted = 0
        await press(pilot, "t", *"a b", "enter", "n", *"late", "enter")
        assert read_notes(RunFolder(tmp_path / "third")) == Notes(("a", "b"), "late")
        assert "#a #b late" in str(options.get_option_at_index(0).prompt)
        await press(pilot, "/")
        field, about = dialog(app).query_one(Input), dialog(app).query_one("#about", Static)
        field.value = "tag:a accuracy>0.9"
        await until(pilot, lambda: names(options) == ["third"])
        field.value = "smoothing<3"
        await until(pilot, lambda: about.display)
        assert "did you mean curriculum.smoothing?" in str(about.content)
        assert names(options) == ["third"]
        field.value = "tag:a"
        await until(pilot, lambda: not about.display)
        await press(pilot, "enter", "m", "ctrl+u", *"best", "enter", "D", "y")
        assert not (tmp_path / "third").exists() and not (tmp_path / "best").exists()
        assert (tmp_path / ".trash" / "best" / "journal.jsonl").is_file()
        field.value = ""
        await until(pilot, lambda: len(names(options)) == 2)
        options.highlighted = names(options).index("first")
        await press(pilot, "D", "m")
        assert toasts(app)[-1] == "This run is on show: open another one first."
        assert (tmp_path / "first").is_dir()

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_a_config_is_shown_and_how_it_differs_from_that_of_an_overlay(tmp_path: Path) -> None:
    told, other = a_run(tmp_path, "first"), a_run(tmp_path, "second")
    config = other.folder.config
    config.write_text(config.read_text().replace("seed = 0", "seed = 7", 1))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "C")
        shown = [text_of(each) for each in dialog(app).query_one(Lines).lines]
        assert "what differs" not in shown and "seed = 0" in shown and "[train]" in shown
        await press(pilot, "escape", "r")
        options = dialog(app).query_one(OptionList)
        options.highlighted = names(options).index("second")
        await press(pilot, "space", "c")
        shown = [text_of(each) for each in dialog(app).query_one(Lines).lines]
        assert shown[:2] == ["what differs", "seed"]
        assert [line.split() for line in shown[2:4]] == [["second", "7"], ["first", "0"]]
        await press(pilot, "escape", "escape", "C")
        shown = [text_of(each) for each in dialog(app).query_one(Lines).lines]
        assert [line.split() for line in shown[2:4]] == [["first", "0"], ["second", "7"]]

    drive(tmp_path, steps, told.source)


def names(options: OptionList) -> list[str]:
    return [str(one.prompt)[3:9].strip() for one in options.options]
