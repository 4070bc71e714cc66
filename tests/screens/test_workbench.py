"""The screen as a whole: sizes, colours, panels, files to take along, runs, leaving."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from icot_tui import themes
from icot_tui.engine.journal.events import Collapsed, LossSpike
from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.settings import Settings
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.help import Help
from icot_tui.tui.screens.welcome import Welcome
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.source import Replay
from tests.screens.workbench import (
    Engine,
    a_run,
    drive,
    picture,
    press,
    settled,
    toasts,
    until,
    with_engine,
)

Go = Pilot[ExitChoice]


def seen(app: WorkbenchApp) -> set[str | None]:
    return {panel.id for panel in app.live.board.seen}


@pytest.mark.slow
def test_every_size_shows_what_fits_and_small_ones_a_sentence(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        for size, count in (
            ((250, 70), 8), ((200, 60), 8), ((120, 40), 8), ((80, 24), 3), ((50, 20), 1),
        ):  # fmt: skip
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert len(seen(app)) == count
            rows = picture(app)
            assert "stage 2 of 8" in "\n".join(rows)
            assert "? help" in rows[-1] and len(rows[-1]) == size[0]
        await pilot.resize_terminal(40, 12)
        await settled(pilot)
        assert "This needs 50 columns and 20 rows" in "\n".join(picture(app))
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert len(seen(app)) == 8 and "told" in picture(app)[0]

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_ascii_means_ascii_everywhere(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        for keys in ("", "?", ":", "b", "v", "t", "r", "u", "l"):
            await press(pilot, *keys)
            strange = {sign for row in picture(app) for sign in row if not sign.isascii()}
            assert strange <= {"Δ"}, (keys, strange)
            await press(pilot, *(["escape"] if keys else []))
        await press(pilot, "s")
        await settled(pilot)
        assert {sign for row in picture(app) for sign in row if not sign.isascii()} <= {"Δ"}

    drive(tmp_path, steps, told.source, control=True, ascii=True)


@pytest.mark.slow
def test_no_color_means_no_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "2")
        for row in app.screen._compositor.render_strips():
            for text, style, _ in row.apply_filter(app._filters[-1], app.screen.styles.background):
                if style is not None and text.strip():
                    assert style.color is None or style.color.is_default
                    assert style.bgcolor is None or style.bgcolor.is_default

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_number_keys_bring_panels_in_and_full_screen_gives_one_all_the_room(
    tmp_path: Path,
) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        for number, panel in enumerate(PANEL_IDS, start=1):
            await press(pilot, str(number))
            assert panel in seen(app)
            assert app.live.focused_panel is app.live.board.panels[panel]
        await press(pilot, "3", "f")
        assert seen(app) == {"accuracy"}
        await press(pilot, "2")
        assert seen(app) == {"loss"}
        await press(pilot, "escape")
        assert seen(app) == {"removal", "loss", "log"}

    drive(tmp_path, steps, told.source, size=(80, 24))


def test_a_click_on_the_lines_at_the_bottom_does_what_the_key_does(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        rows = picture(app)
        await pilot.click(offset=(rows[-2].index("8 log"), len(rows) - 2))
        await settled(pilot)
        assert "log" in seen(app)
        await pilot.click(offset=(rows[-1].index("help"), len(rows) - 1))
        await until(pilot, lambda: isinstance(app.screen, Help))
        await press(pilot, "escape", "k")
        await until(pilot, lambda: isinstance(app.screen, PlayScreen))
        rows = picture(app)
        await press(pilot, "escape")
        await pilot.click(offset=(picture(app)[-1].index("help"), len(rows) - 1))
        await until(pilot, lambda: isinstance(app.screen, Help))
        await press(pilot, "escape")
        assert isinstance(app.screen, PlayScreen)

    drive(tmp_path, steps, told.source, size=(80, 24))


@pytest.mark.slow
def test_chart_keys_go_to_the_chart_in_focus_or_the_last_one(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "2")
        chart = app.live.chart
        assert chart is app.live.board.panels["loss"].chart  # type: ignore[attr-defined]
        await press(pilot, "8", "[")
        assert app.live.chart is chart and chart.viewport.cursor == 200
        await press(pilot, "[")
        assert chart.viewport.cursor == 100
        await press(pilot, "]", "+", "y", "m", "left", ".", ",")
        assert not chart.viewport.log and chart.viewport.window is not None
        await press(pilot, "-", "-")
        assert chart.viewport.window is None
        await press(pilot, "0", "escape")
        assert chart.viewport.window is None and chart.viewport.cursor is None
        for axis in ("time", "removed", "step"):
            await press(pilot, "x")
            assert app.monitor.axis == axis
        await press(pilot, "3")
        assert app.live.chart is app.live.board.panels["accuracy"].chart  # type: ignore[attr-defined]
        await press(pilot, "i")
        assert app.live.board.panels["accuracy"].per_digit  # type: ignore[attr-defined]

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_panels_are_hidden_and_resized_and_that_is_remembered(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    path = tmp_path / "state" / "screen.json"

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        before = app.live.board.panels["loss"].size.width
        await press(pilot, "2", ">", ">")
        assert app.live.board.panels["loss"].size.width > before
        await press(pilot, "<", "v", "down", "down", "down", "enter", "end", "up", "space")
        await press(pilot, "escape")
        assert seen(app) == set(PANEL_IDS) - {"spikes", "log"}

    drive(tmp_path, steps, told.source)
    remembered = UserState.load(path)
    assert remembered.hidden == ["spikes", "log"]
    assert remembered.widths == remembered.heights == {"loss": 1.2}

    async def later(app: WorkbenchApp, pilot: Go) -> None:
        assert seen(app) == set(PANEL_IDS) - {"spikes", "log"}
        await press(pilot, "v", "end", "enter", "escape")
        assert seen(app) == set(PANEL_IDS)

    drive(tmp_path, later, told.source, state=remembered)


def test_a_damaged_memory_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "screen.json"
    for text in ("{", "[]", '{"hidden": 3, "widths": {"loss": "x"}, "axis": "up"}', "\x00"):
        path.write_text(text)
        assert UserState.load(path) == UserState()
    path.write_text(json.dumps({"widths": {"loss": 1e9, "log": float("nan")}}))
    assert UserState.load(path).widths == {"loss": 4.0}
    path.write_text("{")
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert any("is damaged" in toast for toast in toasts(app))

    drive(tmp_path, steps, told.source, state=UserState.load(path))


@pytest.mark.slow
def test_themes_are_previewed_chosen_and_read_again(folders: Path) -> None:
    told = a_run(folders)
    (folders / "themes").mkdir()
    own = folders / "themes" / "mine.toml"
    night = themes.theme_files()["night"].read_text().replace('"night"', '"mine"')
    own.write_text(night.replace("#7aa2f7", "#112233"))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert app.theme == "mine" and app.theme_variables["primary"].lower() == "#112233"
        own.write_text(night.replace("#7aa2f7", "#445566"))
        app.themes.check_files()
        await settled(pilot)
        assert app.theme_variables["primary"].lower() == "#445566"
        own.write_text(night.replace("#7aa2f7", "blueish"))
        app.themes.check_files()
        await settled(pilot)
        assert any("mine.toml:" in toast and "primary" in toast for toast in toasts(app))
        assert app.theme_variables["primary"].lower() == "#445566"
        await press(pilot, "t", "home")
        assert app.theme == "ansi" and app.native_ansi_color
        await press(pilot, "escape")
        assert app.theme == "mine"
        await until(pilot, lambda: app.screen is app.live)
        await press(pilot, "t", "home", "down", "down")
        await until(pilot, lambda: app.theme == "dawn")
        await press(pilot, "enter")
        await until(pilot, lambda: app.state.theme == "dawn")
        assert app.theme == "dawn"

    drive(folders, steps, told.source, settings=Settings(theme="mine"))


def test_copies_charts_and_pictures_are_files_whose_path_is_told(folders: Path) -> None:
    told = a_run(folders)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "8", "c")
        assert "token 2 removed" in app.clipboard
        await press(pilot, "w", "g")
        written = sorted(path.suffix for path in (told.folder.path / "pictures").iterdir())
        assert written == [".csv", ".svg", ".svg", ".txt"]
        kept = list((folders / "kept").glob("copy-log-*.txt"))
        assert len(kept) == 1 and kept[0].read_text() == app.clipboard
        assert sum(str(folders) in toast for toast in toasts(app)) == 3

    drive(folders, steps, told.source)


def test_a_panel_that_fails_says_so_once_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_run(tmp_path)
    calls = []

    def broken(self: Any, view: RunView) -> None:
        calls.append(view)
        raise RuntimeError("[red]no[/] \x1b[2J")

    monkeypatch.setattr("icot_tui.tui.panels.spikes.SpikesPanel.show", broken)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        app.draw()
        await settled(pilot)
        text = "\n".join(picture(app))
        assert "this panel failed:" in text and "RuntimeError" in text
        assert len(calls) == 1
        assert "stage 2 of 8" in text

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_an_error_while_a_panel_is_painted_stays_in_that_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("no paint")

        panels = app.live.board.panels
        monkeypatch.setattr(panels["loss"].chart, "render_line", broken)  # type: ignore[attr-defined]
        monkeypatch.setattr(panels["spikes"].lines, "render_line", broken)  # type: ignore[attr-defined]
        for name in ("loss", "spikes"):
            panels[name].query("*").first().refresh()
        await until(pilot, lambda: panels["loss"].failed and panels["spikes"].failed)
        await settled(pilot)
        text = "\n".join(picture(app))
        assert text.count("this panel failed:") == 2 and "RuntimeError" in text
        assert "stage 2 of 8" in text and app.is_running

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_a_replay_is_paused_sped_up_and_wound(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    replay = Replay(told.folder, speed=20)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "space", "}", "}", "{")
        assert replay.paused and replay.speed == 40
        await press(pilot, ")", ")", "(")
        assert 0 <= replay.place <= replay.length
        await press(pilot, "p")
        assert any("replay" in toast for toast in toasts(app))
        assert "replay, paused" in picture(app)[0]

    drive(tmp_path, steps, replay, control=True)


def test_alerts_are_told_and_ring_unless_silenced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_run(tmp_path)
    rung: list[int] = []
    monkeypatch.setattr(WorkbenchApp, "bell", lambda self: rung.append(1))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        app.draw()
        told.tell(
            LossSpike(step=250, spike=1, removal=2, baseline=1.0, loss=3.0),
            Collapsed(step=250, spike=1, removal=2, height=2.0, steps=500),
        )
        app.draw()
        await settled(pilot)
        assert any("neither recovers" in toast for toast in toasts(app)) and rung == [1]
        await press(pilot, "n")
        told.tell(
            LossSpike(step=260, spike=2, removal=2, baseline=1.0, loss=3.0),
            Collapsed(step=260, spike=2, removal=2, height=2.0, steps=500),
        )
        app.draw()
        assert rung == [1] and app.state.bell is False

    drive(tmp_path, steps, told.source, control=True)


def test_the_log_is_searched_with_slash(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "/")
        await until(pilot, lambda: isinstance(app.live.focused, Input))
        await press(pilot, *"reset")
        text = "\n".join(picture(app))
        assert "optimizer reset" in text and "exact match 90.0%" not in text

    drive(tmp_path, steps, told.source)


def test_a_redraw_on_the_way_out_is_none(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        pass

    app = drive(tmp_path, steps, told.source)
    assert not app.screen_stack
    app.draw()


def test_the_welcome_tells_what_is_done_and_any_key_goes_on(tmp_path: Path) -> None:
    engine = Engine(a_run(tmp_path))
    engine.startup_phase = cast(Any, "loading PyTorch")

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Welcome)
        said = str(app.screen.query_one("#progress", Static).render())
        assert "loading PyTorch" in said
        await press(pilot, "x")
        assert app.screen is app.live and app.monitor.axis == "step"

    with_engine(tmp_path, engine, steps, welcome=True)


def test_the_welcome_goes_when_training_begins(tmp_path: Path) -> None:
    engine = Engine(a_run(tmp_path))
    engine.startup_phase = cast(Any, "loading PyTorch")

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Welcome)
        engine.startup_phase = None
        await until(pilot, lambda: app.screen is app.live)

    with_engine(tmp_path, engine, steps, welcome=True)


@pytest.mark.slow
def test_the_keys_that_the_welcome_names_do_what_it_says(tmp_path: Path) -> None:
    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Welcome)
        await press(pilot, "?")
        await until(pilot, lambda: isinstance(app.screen, Help))

    engine = Engine(a_run(tmp_path))
    engine.startup_phase = cast(Any, "loading PyTorch")
    with_engine(tmp_path, engine, steps, welcome=True)


def test_keys_that_terminals_and_editors_take_do_nothing_here(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        for key in ("ctrl+q", "ctrl+p", "ctrl+b", "ctrl+s", "f1"):
            await press(pilot, key)
            assert app.is_running and app.screen is app.live
        await press(pilot, "ctrl+c")

    assert drive(tmp_path, steps, told.source).return_value == "close"
