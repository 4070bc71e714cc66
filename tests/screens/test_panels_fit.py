"""Every panel, at every size and at every time of a run: something is said, and it fits."""

from dataclasses import replace
from itertools import pairwise

import pytest
from rich.cells import cell_len

from icot_tui.engine.journal.events import Collapsed, LossSpike, RunEnded, SpikeRecovered, Warned
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.registry import PANELS as ALL
from icot_tui.tui.panels.text import cells
from tests.screens.panel_run import Told, a_sample, look_at_any, rows_of, seen

PANELS = {kind.__name__.removesuffix("Panel").lower(): kind for kind in ALL}
SIZES = [(24, 4), (24, 8), (38, 10), (60, 12), (120, 40)]


def before(told):
    return told.view(phase="loading PyTorch")


def just_begun(told):
    return told.start().view()


def in_the_midst(told):
    told.start().train(100).remove().train(30, 2.5)
    told.tell(
        LossSpike(step=115, spike=1, removal=1, baseline=1.0, loss=2.5),
        SpikeRecovered(step=120, spike=1, removal=1, height=1.5, steps=20),
    )
    told.train(70).remove().evaluate(0.4, [0.9, 0.2, 0.5, 1.0], a_sample("0 7 5 0"))
    told.train(50, None).evaluate(0.1, [0.9, 0.8, 0.1, 1.0], a_sample("0 7 1 0"), a_sample(None))
    told.tell(
        LossSpike(step=250, spike=2, removal=2, baseline=1.0, loss=3.0),
        Collapsed(step=250, spike=2, removal=2, height=2.0, steps=1200),
    )
    return told.tell(Warned(step=250, message="[red]text[/red]\x1b[31m " + "goes on " * 30)).view()


def done(told):
    told.start().train(100).remove(8).train(100).evaluate(1.0, [1, 1, 1, 1], a_sample("0 7 5 0"))
    return told.tell(RunEnded(step=told.step, reason="done", finished=True)).view()


MOMENTS = [before, just_begun, in_the_midst, done]


@pytest.mark.slow
@pytest.mark.parametrize("name", PANELS)
def test_a_panel_says_something_and_fits_at_every_time_and_size(name, tmp_path):
    views = [moment(Told(tmp_path, name=moment.__name__)) for moment in MOMENTS]
    panel = PANELS[name]()

    async def check(pilot):
        for size in SIZES:
            await pilot.resize_terminal(*size)
            for view in views:
                panel.show(view)
                await pilot.pause()
                rows = rows_of(pilot)
                assert all(cell_len(row) == size[0] for row in rows)
                assert any(row[1:-1].strip() for row in rows[1:-1]), (size, rows)
                assert not any("\x1b" in row for row in rows)

    look_at_any(panel, views[0], SIZES[-1], check)


@pytest.mark.parametrize("name", PANELS)
def test_a_terminal_without_unicode_gets_none(name, tmp_path):
    view = replace(in_the_midst(Told(tmp_path)), ascii=True)
    inside = [row[2:-2] for row in seen(PANELS[name](), view, (60, 16))[1:-1]]
    assert all(row.isascii() for row in inside), inside


@pytest.mark.parametrize("name", [name for name in PANELS if name not in ("loss", "accuracy")])
def test_lines_are_made_for_the_width(name, tmp_path):
    """What is a sentence is wrapped, not cut; only tables and data may be cut."""
    view = just_begun(Told(tmp_path))
    panel = PANELS[name]()

    async def check(pilot):
        lines = panel.query_one(Lines)
        assert lines.lines
        assert all(cells(each) <= lines.size.width for each in lines.lines)

    look_at_any(panel, view, (34, 12), check)


@pytest.mark.slow
@pytest.mark.parametrize("name", PANELS)
def test_a_panel_that_has_drawn_the_moment_draws_nothing(name, tmp_path):
    view = in_the_midst(Told(tmp_path))
    panel = PANELS[name]()

    async def check(pilot):
        drawn = []
        for widget in panel.walk_children():
            for method in ("refresh", "refresh_lines"):
                if hasattr(widget, method):
                    setattr(widget, method, lambda *args, **how: drawn.append(args))
        panel.show(view)
        assert not drawn

    look_at_any(panel, view, (60, 14), check)


@pytest.mark.parametrize("name", PANELS)
def test_news_are_drawn_within_the_box_which_stays(name, tmp_path):
    """To draw the box as well is what makes a redraw dear, and a slow link slower."""
    told = Told(tmp_path)
    panel = PANELS[name]()
    view = in_the_midst(told)

    async def check(pilot):
        await pilot.pause()
        drawn, written = [], [(panel.border_title, panel.border_subtitle)]
        panel.refresh = lambda *args, **how: drawn.append(args)
        for _ in range(3):
            panel.show(told.train(10).evaluate(0.5, [0.5] * 4).view())
            await pilot.pause()
            written.append((panel.border_title, panel.border_subtitle))
        del panel.refresh
        assert len(drawn) == sum(one != other for one, other in pairwise(written))

    look_at_any(panel, view, (60, 14), check)


@pytest.mark.slow
@pytest.mark.parametrize("name", PANELS)
def test_a_panel_can_be_shown_another_run(name, tmp_path):
    first, second = Told(tmp_path, name="first"), Told(tmp_path, name="second")
    views = in_the_midst(first), done(second)
    panel = PANELS[name]()

    async def check(pilot):
        panel.show(views[1])
        await pilot.pause()
        panel.show(views[0])
        await pilot.pause()

    look_at_any(panel, views[0], (60, 14), check)


def test_another_theme_colours_the_lines_anew(tmp_path):
    panel = PANELS["removal"]()

    async def check(pilot):
        lines = panel.query_one(Lines)

        def colours():
            return {segment.style.color for segment in lines.render_line(1) if segment.style}

        pilot.app.theme = "nord"
        await pilot.pause()
        before = colours()
        pilot.app.theme = "gruvbox"
        await pilot.pause()
        assert colours() != before

    look_at_any(panel, in_the_midst(Told(tmp_path)), (60, 12), check)
