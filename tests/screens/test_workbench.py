"""The screen as a whole: colours, files to take along, replays, alerts, leaving."""

from pathlib import Path

import pytest
from textual.widgets import Input

from icot_tui import themes
from icot_tui.engine.journal.events import Collapsed, LossSpike
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.settings import Settings
from icot_tui.tui.frame.panel import FULL
from icot_tui.watch.source import Replay
from tests.screens.workbench import (
    Go,
    a_run,
    drive,
    picture,
    press,
    settled,
    toasts,
    until,
)


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_keys_that_terminals_and_editors_take_do_nothing_here(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        for key in ("ctrl+q", "ctrl+p", "ctrl+b", "ctrl+s", "f1"):
            await press(pilot, key)
            assert app.is_running and app.screen is app.live
        await press(pilot, "ctrl+c")

    assert drive(tmp_path, steps, told.source).return_value == "close"


@pytest.mark.slow
def test_no_panel_fails_on_the_whole_screen(tmp_path: Path) -> None:
    """With what the app itself gives them."""
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await until(pilot, lambda: (seen := app.draw()) and len(seen.machine_history) > 1)
        for name, panel in app.live.board.panels.items():
            app.live.go_to(name)
            await press(pilot, "f")
            app.draw()
            await until(pilot, lambda: panel.has_class(FULL))  # noqa: B023
            app.draw()
            assert not panel.failed, name
            await press(pilot, "f")

    drive(tmp_path, steps, told.source, control=True)
