"""Plots in the shell: `runs plot`, and what draws it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from icot_tui.cli.app import run
from icot_tui.cli.plots.canvas import PlotextCanvas, finite_segments
from icot_tui.cli.plots.drawing import as_drawn, draw_bars, draw_curves
from icot_tui.cli.plots.heat_map import draw_heat_map
from icot_tui.cli.plots.look import Look
from icot_tui.engine.journal.events import Event, LossSpike, OptimizerReset, SpikeRecovered
from icot_tui.tui.chart.curves import smoothed
from icot_tui.tui.chart.data import ChartData, Curve, Mark
from tests.chart.test_any_numbers import charts, marks, numbers
from tests.cli.terminal import in_terminal
from tests.events import STARTED, evaluated, removed, trained
from tests.watch.runs import make

Output = pytest.CaptureFixture[str]
SETTINGS = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
LOSSES = [2.0 * 0.97**step for step in range(120)]
HISTORY: list[Event] = [
    STARTED,
    trained(60, losses=list(LOSSES[:60]), loss_parts={"student": 1.0, "teacher": 0.5}),
    evaluated(60, 0.25),
    removed(60, 1),
    OptimizerReset(step=60, cause="removal 1"),
    LossSpike(step=62, spike=1, removal=1, baseline=0.3, loss=0.9),
    SpikeRecovered(step=80, spike=1, removal=1, height=0.7, steps=18),
    OptimizerReset(step=90, cause="by command"),
    trained(
        120,
        stage=1,
        losses=[*LOSSES[60:100], *[None] * 5, *LOSSES[105:]],
        loss_parts={"student": 0.5, "teacher": 0.25},
    ),
    evaluated(120, 0.75, stage=1),
]
QUANTITIES = {
    "loss": "loss",
    "accuracy": "exact match",
    "digits": "digits right",
    "removed": "removed tokens",
    "grad-norm": "gradient norm",
    "parts": "parts of the loss",
    "lr": "learning rate",
    "spikes": "height of loss spikes",
}


def in_series_colours(data: ChartData) -> ChartData:
    curves = (replace(curve, colour=f"series{place}") for place, curve in enumerate(data.curves))
    return replace(data, curves=tuple(curves))


def chart(*curves: Curve) -> ChartData:
    return ChartData(curves=curves, x_label="step", y_label="loss", version=0, empty="nothing")


def plotted(capsys: Output, *arguments: str) -> list[str]:
    assert run(["runs", "plot", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def told(capsys: Output, *arguments: str) -> str:
    """What is wrong with a command that has nothing to draw."""
    assert run(["runs", "plot", *arguments]) == 2
    return capsys.readouterr().err


# --- numbers of any kind ---


@SETTINGS
@given(
    st.integers(0, 30).flatmap(
        lambda n: st.tuples(*[st.lists(numbers, min_size=n, max_size=n)] * 2)
    )
)
def test_only_finite_numbers_within_the_canvas_are_handed_on(points) -> None:
    given_columns, given_rows = map(np.array, points)
    columns, rows, joined = finite_segments(given_columns, given_rows, None, (50, 10))
    finite = np.isfinite(given_columns) & np.isfinite(given_rows)
    assert len(columns) == len(rows) == len(joined) == finite.sum()
    assert ((columns >= -0.5) & (columns <= 49.5) & (rows >= -0.5) & (rows <= 9.5)).all()
    after_a_gap = np.append(True, finite[:-1])[finite] if len(finite) else joined
    assert (joined[1:] == after_a_gap[1:]).all()


@pytest.mark.slow
@SETTINGS
@given(
    charts.map(in_series_colours),
    st.dictionaries(st.integers(0, 3), st.lists(marks, max_size=6)),
    st.builds(
        Look,
        width=st.integers(40, 130),
        height=st.integers(12, 40),
        log=st.booleans(),
        smoothing=st.sampled_from([0, 3, 50]),
        ascii=st.booleans(),
        colour=st.booleans(),
    ),
)
def test_any_curves_can_be_plotted(data: ChartData, marked: dict[int, list[Mark]], look: Look):
    known = {place: found for place, found in marked.items() if place < len(data.curves)}
    lines = draw_curves(data, look, known).plain.split("\n")
    assert max(map(cell_len, lines)) <= look.width or len(lines) == 1
    assert not set("".join(lines)) & {"\x1b", "\r", "\0"}


@SETTINGS
@given(st.lists(st.tuples(st.text("ab é乘🙂\x1b\u200b\n", max_size=40), numbers), max_size=12))
def test_any_bars_can_be_plotted(bars) -> None:
    lines = draw_bars("title", bars, Look()).plain.split("\n")
    assert max(map(cell_len, lines)) <= 80
    values = [value for _, value in bars if np.isfinite(value)]
    assert len(lines) == (2 * len(values) + 2 if values else 1)


def test_a_gap_stays_a_gap() -> None:
    canvas = PlotextCanvas(40, 5)
    canvas.line([0, 10, np.nan, 30, 39], [2, 2, 2, 2, 2], colour="red")
    middle = canvas.render().plain.splitlines()[2]
    assert re.fullmatch(r"│[^ ]{11} {19}[^ ]{10}", middle)


def test_smoothing_is_in_the_space_of_the_axis() -> None:
    values = np.exp(np.random.default_rng(0).normal(0, 3, 200))
    values[50] = 0
    curve = Curve("loss", np.arange(200), values)
    for log in (True, False):
        drawn = as_drawn(curve, Look(log=log, smoothing=10))
        np.testing.assert_allclose(drawn.y, smoothed(values, 10, log))
    assert as_drawn(curve, Look(log=True)) is curve


def test_curves_are_told_apart_by_colour_or_by_letters() -> None:
    steps = np.arange(60)
    data = chart(
        Curve("one", steps, steps + 1.0, "series0"), Curve("two", steps, 200.0 - steps, "series1")
    )
    coloured = draw_curves(data, Look(colour=True))
    colours = {str(span.style) for span in coloured.spans}
    assert {"cyan", "yellow"} <= colours
    letters = draw_curves(data, Look()).plain
    assert not any(str(span.style) != "none" for span in draw_curves(data, Look()).spans)
    assert letters.endswith("A one  B two")
    assert letters.count("A") == letters.count("B") == 4


def test_marks_of_one_of_two_runs_are_in_its_colour() -> None:
    steps = np.arange(60)
    two = chart(Curve("one", steps, steps, "series0"), Curve("two", steps, -steps, "series1"))
    one = chart(two.curves[1])
    spike = [Mark(30, "spike", "")]
    for data, place, colour in ((two, 0, "color(6)"), (two, 1, "color(3)"), (one, 0, "color(3)")):
        drawn = draw_curves(data, Look(colour=True), {place: spike})
        mark = drawn.plain.index("▲")
        styles = [str(span.style) for span in drawn.spans if span.start <= mark < span.end]
        assert styles == [colour]


def test_bars_are_as_long_as_their_values() -> None:
    lines = draw_bars("T", [("a", 1.0), ("乘", 0.5), ("none", 0.0)], Look(width=60)).plain.split(
        "\n"
    )
    long, short, none = (line.count("█") for line in lines[1:6:2])
    assert (long, short, none) == (60 - len("none 0┤"), 27, 1)
    assert [line.split("┤")[0].strip() for line in lines[1:6:2]] == ["a 1", "乘 0.5", "none 0"]


def test_a_heat_map_shades_what_has_a_value_and_folds() -> None:
    columns = [f"z{number}" for number in range(1, 14)]
    rows = [("layer 1", [("+.60#", 0.6)] * 13), ("input", [("(+.90)", None)] * 13)]
    drawn = draw_heat_map("z1", columns, rows, Look(colour=True))
    lines = drawn.plain.split("\n")
    assert lines[1].split("┤") == ["layer 1", " +.60# " * 10]
    assert lines[4].split() == columns[:10]
    assert lines[8].split() == columns[10:]
    shaded = [drawn.plain[span.start : span.end] for span in drawn.spans if "on" in str(span.style)]
    assert "".join(shaded).count("+.60#") == 13
    assert not any("(+.90)" in text for text in shaded)
    blank = draw_heat_map("", [" "], [(" ", [("1", 1.0)])], Look())  # which plotext takes for none
    assert "1" in blank.plain


# --- the command ---


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("axis", ["step", "time", "removed"])
def test_every_quantity_over_every_axis(
    runs: Path, capsys: Output, quantity: str, axis: str
) -> None:
    make(runs, "one", HISTORY)
    if quantity == axis:
        assert "straight line" in told(capsys, "one", "--y", quantity, "--x", axis)
        return
    lines = plotted(capsys, "one", "--y", quantity, "--x", axis)
    assert len(lines) == 22
    assert max(map(cell_len, lines)) <= 80
    assert lines[0].strip() == QUANTITIES[quantity]
    label = {"time": "training time", "removed": "removed tokens", "step": "step"}[axis]
    assert any(line.strip() == label for line in lines[-5:])
    assert "\x1b" not in "".join(lines)


def test_runs_lie_over_each_other_with_their_marks(runs: Path, capsys: Output) -> None:
    make(runs, "one", HISTORY)
    make(runs, "two", [STARTED, trained(120, losses=[3.0] * 120), removed(60, 1)])
    lines = plotted(capsys, "one", "two", "--width", "100", "--height", "30", "--log")
    assert len(lines) == 30
    assert lines[-2] == "A one  B two  ▲ spike  ▴ removal  ↺ reset  ✗ not finite"
    assert lines[-1] == "one: 5 values not finite or missing, drawn as gaps"
    marked = [line for line in lines if line.lstrip().startswith(("A┤", "B┤"))]
    assert ["".join(line.split("┤")[1].split()) for line in marked] == ["▴", "▴▲↺"]
    assert sum("✗" in line for line in lines[:-2]) == 1
    plain = "".join(plotted(capsys, "one", "two", "--ascii"))
    assert plain.isascii()


def test_several_quantities_stand_below_each_other_over_the_same_steps(
    runs: Path, capsys: Output
) -> None:
    make(runs, "one", [STARTED, trained(120, losses=[3.0] * 120), evaluated(120, 0.5)])
    lines = plotted(capsys, "one", "--y", "loss", "--y", "accuracy", "--y", "loss")
    at = lines.index("")
    loss, accuracy = lines[:at], lines[at + 1 :]
    assert (loss[0].strip(), accuracy[0].strip()) == ("loss", "exact match")
    assert len(loss) == len(accuracy) == 22
    ticks = [next(row for row in plot if "100" in row.split()).split() for plot in (loss, accuracy)]
    assert ticks[0] == ticks[1] == ["20", "40", "60", "80", "100", "120"]
    assert plotted(capsys, "one", "--y", "loss,accuracy") == lines
    make(runs, "new", [STARTED, trained(120, losses=[3.0] * 120)])
    sentence = "error: run new was not evaluated yet\n"
    assert told(capsys, "new", "--y", "loss", "--y", "accuracy") == sentence


def test_a_run_without_such_data_says_so(runs: Path, capsys: Output) -> None:
    make(runs, "one", HISTORY)
    make(runs, "new", [STARTED])
    for quantity, sentence in {
        "loss": "has trained no step yet",
        "parts": "has no loss of several parts",
        "accuracy": "was not evaluated yet",
        "digits": "was not evaluated yet",
        "removed": "has removed nothing",
        "grad-norm": "has trained no step yet",
        "lr": "has trained no step yet",
        "spikes": "had no loss spike",
    }.items():
        assert told(capsys, "new", "--y", quantity) == f"error: run new {sentence}\n"
        lines = plotted(capsys, "one", "new", "--y", quantity)
        assert f"run new {sentence}" in lines
    assert "there is no run 'none'" in told(capsys, "none")
    assert "there is none: leave it out" in told(capsys, "one", "--watch")


def test_each_part_of_the_loss_is_a_curve_with_its_name(runs: Path, capsys: Output) -> None:
    make(runs, "one", HISTORY)
    make(runs, "new", [STARTED, trained(120, losses=[3.0] * 120)])
    lines = plotted(capsys, "one", "new", "--y", "parts", "--height", "12")
    assert lines[-1] == "run new has no loss of several parts"
    assert lines[-2].startswith("A one student  B one teacher  ")
    assert plotted(capsys, "one", "--y", "parts")[-1].startswith("A student  B teacher  ")


def test_a_resume_is_drawn_as_it_went_on(runs: Path, capsys: Output) -> None:
    from icot_tui.engine.journal.events import RunResumed
    from tests.events import saved

    events = [*HISTORY[:3], saved(60), *HISTORY[3:]]
    make(runs, "one", [*events, RunResumed(step=60, checkpoint="step-00000060")])
    lines = plotted(capsys, "one")
    assert lines[-1] == "━━ one"
    ticks = next(line for line in lines if "50" in line)
    assert "120" not in ticks


def test_in_a_terminal_a_plot_has_its_size_and_colours(runs: Path) -> None:
    make(runs, "one", HISTORY)
    status, shown = in_terminal("runs", "plot", "one")
    assert status == 0
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown).split("\r\n")[:-1]
    assert "\x1b[36m" in shown
    assert len(lines) == 28
    assert 95 <= max(map(cell_len, lines)) <= 100
    assert in_terminal("runs", "show", "one")[1].count("▴") == 4  # two plots, each with a legend
    assert "\x1b[?25h" in in_terminal("runs", "plot", "one", "--watch")[1]
