"""Panels on the screen: what fits, the keys and clicks that bring them in, what is remembered."""

import json
from pathlib import Path
from typing import Any

import pytest

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.help import Help
from tests.screens.workbench import (
    Go,
    a_run,
    drive,
    picture,
    press,
    seen,
    settled,
    toasts,
    until,
)


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


@pytest.mark.slow
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
