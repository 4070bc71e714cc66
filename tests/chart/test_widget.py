"""The chart in an app: it shows, is steered by keys and mouse, and draws only when it must."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from textual.app import App, ComposeResult

from icot_tui.tui.chart import widget as module
from icot_tui.tui.chart.data import ChartData, Curve, Mark
from icot_tui.tui.chart.widget import Chart, link

STEPS = np.arange(1000)
LOSS = 2 * np.exp(-STEPS / 200) + 0.1
MARKS = (
    Mark(300, "removal", "removal 1"),
    Mark(301, "reset", "optimizer reset 1"),
    Mark(600, "removal", "removal 2"),
    Mark(605, "spike", "spike of 0.4"),
    Mark(900, "removal", "removal 3"),
)


def data(steps=1000, version=None, **changes) -> ChartData:
    curve = Curve("loss", STEPS[:steps], LOSS[:steps])
    version = steps if version is None else version
    return replace(
        ChartData(
            curves=(curve,),
            marks=MARKS,
            x_label="step",
            y_label="loss",
            version=version,
            empty="Nothing yet.",
        ),
        **changes,
    )


class ChartApp(App):
    def __init__(self, first: ChartData | None = None, **options) -> None:
        super().__init__()
        self.first, self.options = first, options

    def compose(self) -> ComposeResult:
        yield Chart(self.first, **self.options)

    @property
    def chart(self) -> Chart:
        return self.query_one(Chart)

    def lines(self) -> list[str]:
        strips = self.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]


def in_app(body, first=None, size=(78, 12), **options):
    async def run() -> None:
        app = ChartApp(first, **options)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await body(app, pilot)

    asyncio.run(run())


def count_drawings(monkeypatch) -> list[int]:
    drawn, original = [], module.draw

    def counting(*arguments):
        drawn.append(1)
        return original(*arguments)

    monkeypatch.setattr(module, "draw", counting)
    return drawn


def test_says_what_it_waits_for_and_then_shows_it():
    async def body(app, pilot):
        app.chart.show(data(0))
        await pilot.pause()
        assert "Nothing yet." in app.lines()[5].strip()
        app.chart.show(data())
        await pilot.pause()
        assert "loss" in app.lines()[0]
        assert app.lines()[-1].split()[-1] == "step"
        assert "▴" in app.lines()[-2] and "▲" in app.lines()[-2]

    in_app(body)


@pytest.mark.slow
def test_draws_only_when_something_changed(monkeypatch):
    drawn = count_drawings(monkeypatch)

    async def body(app, pilot):
        before = len(drawn)
        for _ in range(3):
            app.chart.show(data())  # a new object of the same version
            app.chart.refresh()
            await pilot.pause()
        assert len(drawn) == before
        app.chart.show(data(900))
        await pilot.pause()
        await pilot.resize_terminal(60, 12)
        app.theme = "textual-light"
        await pilot.pause()
        assert len(drawn) == before + 3

    in_app(body, data())


def test_repaints_only_the_cells_that_are_different(monkeypatch):
    async def body(app, pilot):
        painted = []
        monkeypatch.setattr(app.chart, "refresh", lambda *regions: painted.extend(regions))
        app.chart.step_cursor(-1)
        app.chart.show(data(version="no other values"))
        app.chart.step_cursor(-1)
        assert painted
        assert all(region.height == 1 for region in painted)
        last = [region for region in painted if region.y == 5][-1]
        assert last.width <= 6

    in_app(body, data())


def test_what_is_hidden_is_drawn_when_it_is_seen_again(monkeypatch):
    drawn = count_drawings(monkeypatch)

    async def body(app, pilot):
        app.chart.display = False
        await pilot.pause()
        before = len(drawn)
        app.chart.show(data(500))
        await pilot.pause()
        assert len(drawn) == before
        app.chart.display = True
        await pilot.pause()
        assert "500" not in app.lines()[-1] and "400" in app.lines()[-1]

    in_app(body, data())


def test_zooms_pans_and_goes_back():
    async def body(app, pilot):
        chart = app.chart
        chart.zoom(0.5)
        assert chart.viewport.following
        start, end = chart.viewport.window
        assert (round(start), end) == (500, 999)
        chart.pan(-0.25)
        assert not chart.viewport.following
        chart.pan(0.25)
        chart.pan(0.25)
        assert chart.viewport.window[1] == 999
        await pilot.pause()
        assert "zoomed" in app.lines()[0]
        chart.zoom(2)
        assert chart.viewport.window is None

    in_app(body, data())


def test_follows_the_newest_unless_looking_elsewhere():
    async def body(app, pilot):
        chart = app.chart
        chart.zoom(0.5)
        chart.show(data(1000))
        await pilot.pause()
        assert "900" in app.lines()[-1]
        chart.pan(-0.25)
        window = chart.viewport.window
        chart.show(data(800))
        assert chart.viewport.window == window

    in_app(body, data(600))


def test_the_cursor_reads_values_and_marks():
    async def body(app, pilot):
        chart = app.chart
        chart.step_cursor(-1)
        await pilot.pause()
        assert app.lines()[0].startswith("step 999 · ● loss 0.114 (smoothed 0.1")
        chart.go_to_mark(forward=True)  # there is none after the newest
        assert chart.viewport.cursor == 999
        chart.go_to_mark(forward=False)
        chart.go_to_mark(forward=False)
        await pilot.pause()
        assert chart.viewport.cursor == 600
        assert "removal 2" in "".join(app.lines()[:2])
        chart.go_to_mark(forward=True)
        assert chart.viewport.cursor == 900
        chart.step_cursor(-5)
        await pilot.pause()
        assert "steps after removal 2" in "".join(app.lines()[:2])
        chart.reset_view()
        assert chart.viewport.cursor is None

    in_app(body, data())


def test_jumping_to_a_removal_out_of_sight_brings_it_to_the_middle():
    async def body(app, pilot):
        chart = app.chart
        for _ in range(4):
            chart.zoom(0.5)
        chart.go_to_mark(forward=False)
        for _ in range(3):
            chart.go_to_mark(forward=False)
        start, end = chart.viewport.window
        assert chart.viewport.cursor == 300
        assert start < 300 < end

    in_app(body, data())


def test_the_cursor_goes_from_point_to_point_where_they_are_few():
    few = Curve("exact match", np.array([0, 500, 900]), np.array([0.1, 0.5, 0.9]), points=True)

    async def body(app, pilot):
        chart = app.chart
        seen = []
        for _ in range(4):
            chart.step_cursor(-1)
            seen.append(chart.viewport.cursor)
        assert seen == [900, 500, 0, 0]
        await pilot.pause()
        assert "10.0 %" in app.lines()[0]

    in_app(body, data(version=2, curves=(few,), percent=True, y_label="accuracy"))


def test_mouse_zooms_pans_and_puts_the_cursor():
    async def body(app, pilot):
        chart = app.chart
        await pilot.click(Chart, offset=(40, 5))
        assert abs(chart.viewport.cursor - 500) < 20
        assert app.focused is chart
        await pilot._post_mouse_events([module.events.MouseScrollUp], Chart, offset=(70, 5))
        start, end = chart.viewport.window
        assert end - start < 600 and start > 400
        await pilot.mouse_down(Chart, offset=(40, 5))
        await pilot.hover(Chart, offset=(60, 5))
        await pilot.mouse_up(Chart, offset=(60, 5))
        assert chart.viewport.window[0] < start
        assert abs(chart.viewport.cursor - 500) < 20  # a drag is no click

    in_app(body, data())


def test_log_axis_and_smoothing():
    async def body(app, pilot):
        chart = app.chart
        chart.toggle_log()
        chart.cycle_smoothing()
        await pilot.pause()
        assert "log" in app.lines()[0] and "smoothed over 100" in app.lines()[0]
        for _ in range(2):
            chart.cycle_smoothing()
        await pilot.pause()
        assert "smoothed" not in app.lines()[0]

    in_app(body, data())


def test_ascii_draws_with_ascii_only():
    async def body(app, pilot):
        assert "".join(app.lines()).isascii()
        app.chart.ascii = False
        await pilot.pause()
        assert not "".join(app.lines()).isascii()

    in_app(body, data(), ascii=True)


def test_every_theme_draws():
    async def body(app, pilot):
        for name in app.available_themes:
            app.theme = name
            await pilot.pause()
            assert "loss" in app.lines()[0]

    in_app(body, data())


def test_another_axis_shows_everything_again():
    async def body(app, pilot):
        app.chart.zoom(0.5)
        app.chart.step_cursor(-1)
        app.chart.show(data(x_label="hours"))
        assert app.chart.viewport.window is None
        assert app.chart.viewport.cursor is None

    in_app(body, data())


def test_exports():
    async def body(app, pilot):
        chart = app.chart
        assert chart.text().splitlines()[-1].endswith("step")
        rows = chart.csv().splitlines()
        assert rows[0] == "curve,step,loss,smoothed"
        assert len(rows) == 1001
        assert rows[1].startswith("loss,0,2.1,2.1")
        chart.zoom(0.5)
        assert len(chart.csv().splitlines()) < 600
        assert chart.svg().startswith("<svg") and "removal 3" in chart.svg()

    in_app(body, data())


def test_a_view_beyond_the_end_of_a_resumed_run_comes_back():
    async def body(app, pilot):
        chart = app.chart
        chart.zoom(0.5)
        chart.zoom(0.5)
        chart.pan(-0.25)
        chart.show(data(200))
        await pilot.pause()
        assert "200" not in app.lines()[-1] and "150" in app.lines()[-1]
        assert "no finite value" not in "".join(app.lines())

    in_app(body, data())


def test_a_chart_out_of_view_follows_although_its_data_wait():
    loss, accuracy = Chart(data(since=0.0, until=1000.0)), Chart(data(since=0.0, until=900.0))
    alone = Chart(data(500))
    link([loss, accuracy, alone])
    loss.zoom(0.5, anchor=0.0)
    assert accuracy.viewport.window == loss.viewport.window is not None
    assert alone.viewport.window is None  # of other steps
    loss.reset_view()
    assert accuracy.viewport.window is None
    loss.show(data(since=0.0, until=10.0, x_label="hours"))
    loss.zoom(0.5, anchor=0.0)
    assert accuracy.viewport.window is None  # steps still
    accuracy.show(data(since=0.0, until=10.0, x_label="hours"))
    assert accuracy.viewport.window == loss.viewport.window is not None


def test_a_zoomed_range_of_values_does_not_outlive_their_meaning():
    chart = Chart(data(percent=True, y_label="exact match"))
    chart.zoom_values(0.5)
    chart.show(data(version=2, percent=True, y_label="digits right"))
    assert chart.viewport.values is not None  # the same shares
    chart.show(data(version=3, y_label="loss: squared error"))
    assert chart.viewport.values is None
