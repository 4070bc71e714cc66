"""What a panel has room for when it is given the whole screen."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from icot_tui.engine.journal.events import LossSpike, RolledBack
from icot_tui.tui.chart.viewport import visible
from icot_tui.tui.chart.widget import link
from icot_tui.tui.frame.panel import FULL, Panel
from icot_tui.tui.panels.accuracy import AccuracyPanel, accuracy_data
from icot_tui.tui.panels.curves import x_span
from icot_tui.tui.panels.loss import LossPanel, loss_data
from icot_tui.tui.panels.machine import MachinePanel
from icot_tui.tui.panels.removal import RemovalPanel
from icot_tui.tui.panels.resets import ResetsPanel
from icot_tui.tui.panels.samples import SamplesPanel
from icot_tui.tui.run.view import RunView
from icot_tui.watch.gradient_norms import GradientNorms
from icot_tui.watch.machine import GpuReading, MachineReading
from icot_tui.watch.stages import reset_facts, stages
from tests.screens.panel_run import Told, a_sample, look, look_at_any
from tests.screens.test_panels_trainings import begin, distilling
from tests.screens.workbench import drive, press


def full(panel: Panel) -> Panel:
    panel.add_class(FULL)
    return panel


def two_removals(tmp_path: Path) -> Told:
    """A removal that the loss recovers from after 20 steps, and one it has not recovered from."""
    told = Told(tmp_path).start().train(100, 0.5).evaluate(0.9, [1.0, 0.9, 0.9, 1.0])
    told.remove().tell(LossSpike(step=101, spike=1, removal=1, baseline=0.5, loss=1.5))
    told.train(10, 1.5).train(90, 0.4).evaluate(0.7, [1.0, 0.9, 0.6, 1.0])
    return told.remove().train(40, 2.0)


def test_the_facts_of_stages_are_those_of_the_journal(tmp_path: Path) -> None:
    history = two_removals(tmp_path).view().history
    first, second, third = stages(history)
    assert (first.stage, first.began, first.steps, first.exact_match) == (0, 0, 100, 0.9)
    assert (second.began, second.steps, second.spikes, second.exact_match) == (100, 100, 1, 0.7)
    assert second.loss == pytest.approx(0.4) and first.seconds == pytest.approx(5.0)
    assert third.present and third.exact_match is None and third.steps == 40


def test_a_reset_is_told_with_the_loss_around_it(tmp_path: Path) -> None:
    newest, older = reset_facts(two_removals(tmp_path).view().history, most=9)
    assert older.before == pytest.approx(0.5) and older.after == pytest.approx(1.5)
    # Ten losses at 0.4 bring the mean of ten down to 0.5 with the 20th step: 1.5 is gone by then.
    assert older.recovered == 20 and older.over and older.stage == 1
    assert newest.before == pytest.approx(0.4) and newest.recovered is None and not newest.over
    assert len(reset_facts(two_removals(tmp_path / "again").view().history, most=1)) == 1


@pytest.mark.slow
def test_resets_and_removals_have_a_table_on_a_full_screen(tmp_path: Path) -> None:
    view = two_removals(tmp_path).view()
    said = look(full(ResetsPanel()), view, (120, 30))
    assert "as low again once such a mean is no higher than before" in " ".join(said)
    rows = [row.split() for row in said]
    assert rows[-2][:9] == ["200", "2", "0.400", "2.00", "not", "in", "40", "so", "far"]
    assert rows[-1][:5] == ["100", "1", "0.500", "1.50", "20"]
    lines = look(full(RemovalPanel()), view, (120, 30))
    (row,) = (line.split() for line in lines if line.split()[:2] == ["1", "100"])
    assert row[:8] == ["1", "100", "100", "5", "s", "0.400", "70.0", "%"]
    assert any(line.startswith("stage") and "exact match" in line for line in lines)
    small = look(full(ResetsPanel()), view, (50, 20))
    assert small[-1].split() == ["100", "1", "0.500", "1.50", "20"] and "as low in" in small[-3]
    small = look(full(RemovalPanel()), view, (60, 16))
    assert max(map(len, small)) <= 60 and any("> 2" in each or "→ 2" in each for each in small)


def sample(index: int, right: bool):  # type: ignore[no-untyped-def]
    return changed(a_sample("0 7 5 0" if right else "0 7 1 0"), index=index)


def test_samples_are_browsed_and_what_flipped_is_told(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(100)
    told.evaluate(0.9, [1.0] * 4, sample(1, True), sample(2, False), sample(3, True)).train(100)
    told.evaluate(0.6, [1.0] * 4, sample(1, False), sample(2, True), sample(4, True))
    panel = full(SamplesPanel())
    said = "\n".join(look(panel, told.view(), (100, 40)))
    assert "newly wrong: 1 of 2 examples kept at both evaluations" in said
    assert "newly right: 1 of 2 examples kept at both evaluations" in said
    assert panel.title(told.view()) == "samples: evaluation 2 of 2"

    async def earlier(pilot):  # type: ignore[no-untyped-def]
        panel.lines.focus()
        await pilot.press("left", "left")

    panel = full(SamplesPanel())
    said = "\n".join(look(panel, told.view(), (100, 40), earlier))
    assert "step 100:" in said and "now wrong" not in said
    assert panel.title(told.view()) == "samples: evaluation 1 of 2"


@pytest.mark.slow
def test_the_samples_of_an_evaluation_stay_when_a_newer_one_comes(tmp_path: Path) -> None:
    told = Told(tmp_path).start()
    some = [sample(index, True) for index in range(40)]
    for _ in range(3):
        told.train(10).evaluate(0.9, [1.0] * 4, *some)
    panel = full(SamplesPanel())

    async def check(pilot):  # type: ignore[no-untyped-def]
        panel.lines.focus()
        await pilot.press("left")
        assert panel.title(told.view()) == "samples: evaluation 2 of 3"
        panel.show(told.train(10).evaluate(0.9, [1.0] * 4, *some).view())
        assert panel.title(told.view()) == "samples: evaluation 2 of 4"
        await pilot.press("end")
        assert panel.title(told.view()) == "samples: evaluation 4 of 4" and panel.lines.below > 0
        panel.show(told.train(10).evaluate(0.9, [1.0] * 4, *some).view())
        assert panel.title(told.view()) == "samples: evaluation 5 of 5"
        await pilot.press("end")
        await pilot.pause()
        assert panel.lines.below == 0

    look_at_any(panel, told.view(), (100, 20), check)


def test_flips_are_those_of_the_same_questions_and_of_one_training(tmp_path: Path) -> None:
    other = changed(sample(1, False), input="9 9 * 9 9")
    told = Told(tmp_path / "a").start().train(100).evaluate(0.9, [1.0] * 4, sample(1, True))
    told.train(100).evaluate(0.6, [1.0] * 4, other)
    said = "\n".join(look(full(SamplesPanel()), told.view(), (100, 40)))
    assert "newly wrong: 0 of 0 examples kept at both evaluations" in said
    told = distilling(tmp_path / "b", phases=1)
    begin(told, 2)
    told.train(20).evaluate(0.6, [1.0] * 4, sample(1, False))
    assert "since step" not in "\n".join(look(full(SamplesPanel()), told.view(), (100, 40)))


def test_a_recovery_is_counted_in_steps_and_takes_as_many_as_a_mean(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(100, 0.5).remove().train(5, 0.1)
    (facts,) = reset_facts(told.view().history, most=9)
    assert facts.recovered is None and facts.after == pytest.approx(0.1)
    told.train(5, None).train(10, 0.1)  # the losses of steps 106 to 110 are not finite
    (facts,) = reset_facts(told.view().history, most=9)
    assert facts.recovered == 15


def test_a_torn_end_of_the_journal_leaves_no_gradient_norms_unread(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(50)
    with told.folder.journal.open("ab") as journal:
        journal.write(b'{"time": 1.0, "ev')
    norms = GradientNorms(told.folder)
    norms.look(1.0)
    assert norms.share_read == 1 and len(norms.series) == 50


def test_digits_that_were_rolled_back_are_not_drawn_over_removals(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(100).evaluate(0.9, [0.9] * 4).remove()
    told.train(100).evaluate(0.8, [0.8] * 4).remove().train(50).evaluate(0.7, [0.7] * 4)
    told.stage = 1
    rolled = RolledBack(step=told.step, checkpoint="step-00000100", stage=1, cause="you asked")
    view = told.tell(rolled).train(50).evaluate(0.6, [0.6] * 4).view(axis="removed")
    digits, whole = (accuracy_data(view, per_digit=each) for each in (True, False))
    assert digits.extent == whole.extent
    assert digits.curves[0].x.tolist() == whole.curves[0].x.tolist()


def test_each_digit_at_each_stage_is_a_cell(tmp_path: Path) -> None:
    told = two_removals(tmp_path).evaluate(0.6, [0.999, 0.001, 0.0, 1.0])
    lines = look(full(AccuracyPanel()), told.view(), (100, 40))
    assert [line.split() for line in lines if line.startswith(("stage", "digit "))] == [
        ["stage", "0", "1", "2"],
        ["digit", "1", "ones", "100", "100", "99"],  # 100 and 0 only where all and none are meant
        ["digit", "2", "90", "90", "1"],
        ["digit", "3", "90", "60", "0"],
        ["digit", "4", "100", "100", "100"],
    ]


def readings(gpus: int) -> list[MachineReading]:
    def gpu(use: float) -> GpuReading:
        return GpuReading(
            name="H100",
            use=use,
            power_watts=350.0,
            power_limit=700.0,
            memory_used=40_000_000_000,
            memory_total=80_000_000_000,
            temperature=60.0,
        )

    return [
        MachineReading(
            at / 10, 1_000_000_000, 4_000_000_000, 9_000_000_000, (gpu(at / 10),) * gpus, 3.0 * at
        )
        for at in range(11)
    ]


def with_machine(view: RunView, gpus: int) -> RunView:
    past = readings(gpus)
    return replace(view, machine=past[-1], machine_history=past)


def test_the_machine_has_a_history(tmp_path: Path) -> None:
    view = two_removals(tmp_path).view()
    lines = look(full(MachinePanel()), with_machine(view, 1), (120, 30))
    (use,) = (line for line in lines if line.startswith("GPU 0 use"))
    assert "▁▂▂▃▄▅▅▆▇▇█" in use and use.endswith("100 %")
    assert any(line.startswith("  power") and "350 W of 700" in line for line in lines)
    assert any("the last 30 s," in line for line in lines)  # as read, however seldom drawn
    lines = look(full(MachinePanel()), with_machine(view, 8), (120, 38))
    rows = [line for line in lines if line.startswith("GPU")]
    assert len(rows) == 8 and len(lines) <= 36 and "60 °C" in rows[7]


def test_the_charts_of_a_full_screen_share_steps_and_cursor(tmp_path: Path) -> None:
    view = two_removals(tmp_path).view()
    panel = full(LossPanel())
    assert isinstance(panel, LossPanel)

    async def check(pilot):  # type: ignore[no-untyped-def]
        link(panel.charts)
        loss, accuracy, norm, rate = panel.charts
        assert all(chart.display for chart in panel.charts)
        assert len({chart.data.extent for chart in panel.charts}) == 1
        removals = [
            [mark.x for mark in c.data.marks if mark.kind == "removal"] for c in panel.charts
        ]
        assert removals == [[100, 200]] * 4
        assert len({chart._layout.left for chart in panel.charts}) == 1
        assert len(norm.data.curves[0].x) == 240 and set(rate.data.curves[0].y) == {1e-3}
        loss.zoom(0.5, anchor=100.0)
        loss.step_cursor(-1)
        await pilot.pause()
        for other in (accuracy, norm, rate):
            assert other.viewport.window == loss.viewport.window is not None
            assert other.viewport.cursor == loss.viewport.cursor is not None
        rate.reset_view()
        assert loss.viewport.window is None

    look_at_any(panel, view, (120, 40), check)


def test_a_closer_look_at_the_newest_steps_always_has_some(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(8200)
    panel = LossPanel()

    async def check(pilot):  # type: ignore[no-untyped-def]
        link([panel.chart])
        assert panel.chart.data.extent == (0, 8704)  # rounded up
        panel.chart.zoom(0.004)
        for _ in range(3):
            panel.show(told.train(10).view())
            await pilot.pause()
            start, end = visible(panel.chart.viewport, panel.chart.data.extent)
            assert end == told.step and 30 <= end - start <= 40

    look_at_any(panel, told.view(), (80, 20), check)


def test_the_range_that_charts_share_seldom_moves(tmp_path: Path) -> None:
    """Each time all of them are drawn anew, also those without new data."""
    told = Told(tmp_path).start().train(1000)
    spans = {x_span(told.train(10).view(), zoomed=False) for _ in range(50)}
    assert len(spans) <= 9
    told.train(1)
    ends = x_span(told.view(), zoomed=False)
    assert ends is not None and told.step <= ends[1] <= 1.0625 * told.step


def test_a_chart_that_gets_its_first_data_shows_what_the_others_do(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(100)
    loss, accuracy = LossPanel(), AccuracyPanel()
    link([loss.chart, accuracy.chart])
    loss.chart.show(loss_data(told.view(), 1, None))
    loss.chart.zoom(0.5, anchor=0.0)
    accuracy.chart.show(accuracy_data(told.evaluate(0.5, [0.5] * 4).view(), per_digit=False))
    assert accuracy.chart.viewport.window == loss.chart.viewport.window is not None


@pytest.mark.slow
def test_loss_and_accuracy_zoom_and_point_together(tmp_path: Path) -> None:
    told = two_removals(tmp_path)

    async def steps(app, pilot):  # type: ignore[no-untyped-def]
        loss, accuracy = (app.live.board.panels[name].chart for name in ("loss", "accuracy"))
        assert loss.data.extent == accuracy.data.extent
        assert loss._layout.left == accuracy._layout.left
        await press(pilot, "2", "plus", "left", "Y")
        assert accuracy.viewport.window == loss.viewport.window is not None
        assert accuracy.viewport.cursor == loss.viewport.cursor is not None
        assert loss.viewport.values is not None and accuracy.viewport.values is None
        low, high = loss.viewport.values
        assert low < loss.data.value_at(loss.viewport.cursor) <= high
        await press(pilot, "U", "0")
        assert loss.viewport.values is None
        assert accuracy.viewport.window is accuracy.viewport.cursor is None

    drive(tmp_path, steps, told.source)


def test_keys_mean_the_chart_in_focus_on_a_full_screen(tmp_path: Path) -> None:
    async def steps(app, pilot):  # type: ignore[no-untyped-def]
        await press(pilot, "2", "f")
        loss, _, norm, _ = app.live.board.panels["loss"].charts
        await press(pilot, "Y")
        assert loss.viewport.values is not None and norm.viewport.values is None
        norm.focus()
        await press(pilot, "0", "Y", "y")
        assert loss.viewport.values is None and loss.viewport.log
        assert norm.viewport.log

    drive(tmp_path, steps, two_removals(tmp_path).source)
