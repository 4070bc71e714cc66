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
from tests.screens.panel_run import Told, a_sample
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
    told = three_runs(tmp_path)

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


def the_list(app: WorkbenchApp) -> OptionList:
    return dialog(app).query_one(OptionList)


def highlighted(app: WorkbenchApp) -> str:
    options = the_list(app)
    return names(options)[options.highlighted or 0]


def three_runs(runs: Path) -> Told:
    """`first` with 90 % and, finished, `second` with 50 % and `third` with 95 %; gives `first`."""
    told = a_run(runs, "first")
    for name, exact in (("second", 0.5), ("third", 0.95)):
        other = a_run(runs, name)
        other.evaluate(exact, [exact] * 4, a_sample("0 7 5 0"))
        other.tell(RunEnded(step=250, reason="done", finished=True))
        other.folder.unlock()
    return told


@pytest.mark.slow
def test_after_a_sort_or_a_filter_the_first_row_is_highlighted(tmp_path: Path) -> None:
    told = three_runs(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r")
        for _ in range(2):  # by accuracy, then by best
            the_list(app).highlighted = 2
            await press(pilot, "s")
            assert names(the_list(app))[0] == highlighted(app) == "third"
        the_list(app).highlighted = 2
        await press(pilot, "/", *"accuracy>0.6")
        assert names(the_list(app)) == ["third", "first"] and highlighted(app) == "third"
        await press(pilot, "enter", "enter")
        assert app.monitor.shown == tmp_path / "third"

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_a_filter_that_no_run_meets_says_so_and_escape_ends_the_filter_first(
    tmp_path: Path,
) -> None:
    told = three_runs(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        def shown() -> str:
            return "\n".join(picture(app))

        await press(pilot, "r", "/", *"accuracy>0.99")
        assert names(the_list(app)) == []
        told = "No run meets the filter 'accuracy>0.99'. Escape clears it, as does Backspace."
        assert told in shown()
        await press(pilot, "escape")
        assert len(names(the_list(app))) == 3 and "No run meets" not in shown()
        assert not dialog(app).query_one(Input).display
        await press(pilot, "/", "escape", "s")  # a filter that was only begun
        assert len(names(the_list(app))) == 3 and "runs, by accuracy" in shown()
        for key in ("escape", "backspace"):
            await press(pilot, "/", *"nowhere", "enter")
            assert "No run meets the filter 'nowhere'" in shown()
            await press(pilot, key)
            assert len(names(the_list(app))) == 3
        await press(pilot, "backspace")
        assert isinstance(app.screen, Runs)
        await press(pilot, "escape")
        assert app.screen is app.live

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_sort_and_filter_are_kept_when_the_list_is_opened_again(tmp_path: Path) -> None:
    told = three_runs(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r", "s", "/", *"accuracy>0.6", "enter", "enter", "r")
        assert names(the_list(app)) == ["third", "first"]
        assert "runs, by accuracy" in "\n".join(picture(app))
        assert dialog(app).query_one(Input).value == "accuracy>0.6"
        assert app.focused is the_list(app)

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_what_the_list_is_sorted_by_is_seen(tmp_path: Path, size: tuple[int, int]) -> None:
    told = three_runs(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        def column(heading: str) -> list[str]:
            rows = picture(app)
            heading = f"exact  {heading:>9}"
            top = next(at for at, row in enumerate(rows) if heading in row)
            end = rows[top].index(heading) + len(heading)
            return [rows[top + at][end - 9 : end].strip() for at in (1, 2, 3)]

        await press(pilot, "r", "s", "s")
        assert column("best") == ["95.0 %", "90.0 %", "90.0 %"]
        await press(pilot, "s")
        assert column("steps") == ["250", "250", "250"]

    drive(tmp_path, steps, told.source, size=size)


@pytest.mark.slow
def test_the_bar_at_the_bottom_has_no_keys_but_those_that_hold(tmp_path: Path) -> None:
    told = three_runs(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r")
        assert "s sort  t tags  n note" in picture(app)[-1] and "help" not in picture(app)[-1]
        await press(pilot, "/")
        assert not picture(app)[-1].strip()  # letters are the filter's now
        assert "enter keeps the filter, escape clears it" in "\n".join(picture(app))
        await press(pilot, "enter", "c")
        assert not picture(app)[-1].strip()
        await press(pilot, "escape")
        assert "s sort  t tags  n note" in picture(app)[-1]
        await press(pilot, "escape", ":")
        assert not picture(app)[-1].strip()

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_the_run_on_show_is_not_overlaid_which_is_said(tmp_path: Path) -> None:
    told = three_runs(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r")
        the_list(app).highlighted = names(the_list(app)).index("first")
        await press(pilot, "space")
        assert toasts(app)[-1] == "first is on show already: others are overlaid on it."

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_runs_of_one_description_tell_how_they_differ(tmp_path: Path) -> None:
    told = three_runs(tmp_path)
    config = RunFolder(tmp_path / "second").config
    config.write_text(config.read_text().replace("seed = 0", "seed = 7", 1))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r")
        shown = "\n".join(picture(app))
        assert "seed 7" in shown and shown.count("seed 0") == 2
        (tmp_path / "damaged").mkdir()
        (tmp_path / "damaged" / "config.toml").write_text("this is no TOML")
        await until(pilot, lambda: the_list(app).option_count == 4)
        assert "\n".join(picture(app)).count("seed 0") == 2

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_deleting_says_how_the_run_comes_back(tmp_path: Path) -> None:
    told = three_runs(tmp_path)
    (tmp_path / ".trash" / "second").mkdir(parents=True)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r")
        the_list(app).highlighted = names(the_list(app)).index("second")
        await press(pilot, "D")
        assert "icot-tui runs restore" in "\n".join(picture(app))
        await press(pilot, "y")
        back = f"icot-tui runs restore second-2 --runs {tmp_path}"  # another one lies there
        assert toasts(app)[-1] == f"second is deleted. It comes back with: {back}"

    drive(tmp_path, steps, told.source)
