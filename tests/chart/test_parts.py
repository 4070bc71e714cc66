"""The parts of the chart, each against a plain way of getting the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icot_tui.tui.chart.canvas import Canvas, Ink, fit
from icot_tui.tui.chart.colours import changes
from icot_tui.tui.chart.curves import (
    braille,
    downsample,
    running_mean,
    smoothed,
    smoothed_line,
    smoothed_value,
    strokes,
)
from icot_tui.tui.chart.data import LARGEST, ChartData, Curve, Mark
from icot_tui.tui.chart.draw import draw
from icot_tui.tui.chart.layout import zoomed_values
from icot_tui.tui.chart.style import ChartStyle
from icot_tui.tui.chart.ticks import linear_ticks, position_ticks, short, time_of_hours, value_ticks
from icot_tui.tui.chart.viewport import Viewport


def chart(*curves, marks=(), **options):
    return ChartData(
        curves=curves,
        marks=marks,
        x_label="step",
        y_label="loss",
        version=0,
        empty="nothing",
        **options,
    )


def lines(data, view=None, size=(40, 10), style=None):
    return draw(data, view or Viewport(), *size, style)[0].lines()


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=80),
    st.integers(2, 40),
    st.booleans(),
)
def test_the_mean_moves_by_a_share_of_each_value(values, window, start):
    got = running_mean(np.array(values), window, start=start)
    mean, seen = np.nan, 0
    for place, value in enumerate(values):
        if np.isnan(value):
            assert np.isnan(got[place])
            continue
        over = min(window, 1 + seen / 2) if start or not seen else window
        mean = value if not seen else mean + (value - mean) / over
        seen += 1
        assert got[place] == pytest.approx(
            mean, rel=1e-3, abs=1e-3 * max(1, np.nanmax(np.abs(values)))
        )


@given(
    st.lists(st.floats(-1e300, 1e300) | st.just(float("nan")), min_size=1, max_size=60),
    st.sampled_from([5, 25, 500]),
    st.booleans(),
)
def test_smoothed_lines_never_leave_the_data(values, window, log):
    y = np.array(values)
    good = np.isfinite(y) & ((y > 0) if log else True)
    got = smoothed(y, window, log)
    assert (np.isfinite(got) == good).all()
    bounded = np.clip(y[good], -LARGEST, LARGEST)
    assert (got[good] >= bounded.min(initial=np.inf)).all()
    assert (got[good] <= bounded.max(initial=-np.inf)).all()


def test_on_a_log_axis_a_line_is_where_the_eye_sees_the_data():
    """A loss that fell from 3 to 0.001, with a spike now and then."""
    steps = np.arange(2000)
    loss = np.where(steps < 60, 3.0 * 0.9**steps, 0.001) + np.where(steps % 400 == 399, 1.0, 0.0)
    line = Curve("loss", steps, loss)
    for window in (5, 25, 100, 500):
        assert smoothed_value(line, 1990, window, log=True) < 0.002
        _, means = smoothed_line(line, 0, 2000, window, log=True)
        near = np.maximum.accumulate(loss[:60][::-1])[::-1]
        for step in range(4, 60):  # no higher than the data at a third of the way
            assert means[step] <= near[step // 3]


def test_smoothed_values_of_long_lines_agree_with_the_exact_ones():
    random = np.random.default_rng(0)
    y = np.cumsum(random.normal(0, 0.1, 50_000)) + random.normal(0, 1, 50_000)
    line = Curve("loss", np.arange(50_000), y)
    x, means = smoothed_line(line, 0, 50_000, 500)
    assert len(x) < 10_000
    for place in (10, 2000, len(x) - 2):
        exact = smoothed_value(line, int(x[place]), 500)
        assert means[place] == pytest.approx(exact, abs=0.2)


def test_a_blocks_border_does_not_move_with_the_view():
    line = Curve("loss", np.arange(100_000), np.random.default_rng(0).random(100_000))
    first, _ = smoothed_line(line, 1000, 91_000, 25)
    second, _ = smoothed_line(line, 1234, 91_234, 25)
    shared = np.intersect1d(first, second)
    assert len(shared) > 0.9 * len(first)


@given(
    st.lists(st.floats(-100, 100) | st.just(float("nan")), min_size=1, max_size=200),
    st.integers(1, 30),
)
def test_thinning_keeps_the_lowest_and_the_highest_of_each_column(values, columns):
    x, y = np.arange(len(values), dtype=float), np.array(values)
    end = max(len(values) - 1.0, 0.5)
    thinned = downsample(x, y, 0.0, end, columns, log=False)
    place = np.minimum((x / end * columns).astype(int), columns - 1)
    for column in range(columns):
        # On the border between two columns, rounding may decide.
        inside = y[(place == column) & (x / end * columns % 1 > 1e-9)]
        if not np.isnan(inside).all() and len(inside):
            at = np.flatnonzero(thinned.at == column)[0]
            assert thinned.low[at] <= np.nanmin(inside)
            assert thinned.high[at] >= np.nanmax(inside)
    assert len(thinned.at) <= columns
    assert len(thinned.nonfinite) == len(set(place[np.isnan(y)]))


def test_a_line_is_broken_at_what_is_not_finite_and_at_zero_on_a_log_axis():
    x = np.arange(6.0)
    y = np.array([1, 2, np.nan, 3, 0, 4])
    assert downsample(x, y, 0, 5, 60, log=False).joined.tolist() == [False, True, False, True, True]
    on_log = downsample(x, y, 0, 5, 60, log=True)
    assert on_log.joined.tolist() == [False, True, False, False]
    assert len(on_log.nonfinite) == 1  # a zero is a gap, but nothing is wrong with it


def test_a_straight_line_is_one_dot_wide():
    thinned = downsample(np.array([0.0, 1.0]), np.array([0.0, 39.0]), 0, 1, 40, log=False)
    first, last = strokes(thinned, 40)
    assert (first == last).all()
    dots = braille(first, last, 10)
    assert sum(int(dot).bit_count() for dot in dots.flat) == 40


def test_ticks_are_round_and_told_apart():
    assert [label for _, label in linear_ticks(0, 1.02, 5)] == ["0", "0.25", "0.5", "0.75", "1"]
    assert [label for _, label in linear_ticks(0, 12_000, 4)] == ["0", "5k", "10k"]
    assert len(linear_ticks(0, 3e301, 4)) == 2  # more than the largest round step
    assert len(linear_ticks(-1.7e308, 1.7e308, 1)) == 1
    assert [label for _, label in linear_ticks(0, 10, 5)] == ["0", "2.5", "5", "7.5", "10"]
    assert [label for _, label in value_ticks(0.0012, 4, 5, True, False)] == ["0.01", "0.1", "1"]
    assert [label for _, label in value_ticks(0, 1, 5, False, True)] == [
        "0%",
        "25%",
        "50%",
        "75%",
        "100%",
    ]
    close = [label for _, label in linear_ticks(1e6, 1e6 + 3, 4)]
    assert len(set(close)) == len(close) > 1


@given(st.floats(-1e290, 1e290), st.floats(1e-280, 1e290), st.integers(2, 9))
def test_there_are_never_too_many_ticks(low, span, most):
    high = low + span
    if high <= low or high > 1e290:
        return
    ticks = linear_ticks(low, high, most)
    assert len(ticks) <= max(most, 2)
    assert len({label for _, label in ticks}) == len(ticks)
    assert all(low <= place <= high for place, _ in ticks)
    assert all(len(label) < 24 for _, label in ticks)


def test_hours_are_written_as_times():
    assert [time_of_hours(hours) for hours in (0, 1 / 120, 0.75, 3 + 1 / 3, 54)] == [
        "0",
        "30s",
        "45m",
        "3h20m",
        "2d6h",
    ]
    assert [label for _, label in position_ticks(0, 4, 5, "hours", False)] == [
        "0",
        "1h",
        "2h",
        "3h",
        "4h",
    ]


def test_short_numbers():
    assert [short(value, value) for value in (0.0, 0.25, 1200, 1.2e6, 3e-5)] == [
        "0",
        "0.25",
        "1.2k",
        "1.2M",
        "3e-5",
    ]


def test_text_is_cut_by_cells_and_shown_not_obeyed():
    assert fit("乘法运行", 5) == "乘法…"
    assert fit("a\x1b[31m", 20) == "a\\x1b[31m"
    assert fit("e\u0301", 5) == "é"
    assert fit("名", 5, ascii=True) == "?"


def test_writing_beyond_the_edge_is_cut():
    canvas = Canvas(4, 1)
    canvas.write(-1, 0, "abc乘法", Ink("foreground"))
    assert canvas.frame().lines() == ["bc  "] or canvas.frame().lines() == ["bc乘"]
    canvas.write(0, 5, "nowhere", Ink("foreground"))


def test_single_points_and_constants_are_seen():
    assert "•" in "".join(lines(chart(Curve("loss", np.array([5]), np.array([2.0])))))
    flat = lines(chart(Curve("loss", np.arange(50), np.full(50, 1e-5))))
    assert any("1e-5" in line for line in flat)
    assert any("⠤⠤⠤" in line or "⣀⣀⣀" in line or "⠒⠒⠒" in line for line in flat)


def test_what_is_not_finite_gets_a_red_column():
    y = np.linspace(2, 1, 100)
    y[50] = np.inf
    frame, layout = draw(chart(Curve("loss", np.arange(100), y)), Viewport(), 60, 10)
    red = [
        (y, x)
        for y, x in np.argwhere(frame.cells == ord("░"))
        if frame.palette[frame.inks[y, x]].colour == "error"
    ]
    assert len(red) == layout.rows
    assert "✗" in frame.lines()[layout.bottom]
    assert "not finite" in frame.lines()[0]


def test_nothing_finite_says_so():
    nowhere = chart(Curve("loss", np.arange(5), np.full(5, np.nan)))
    assert "no finite value here" in " ".join(lines(nowhere))
    below = chart(Curve("loss", np.arange(5), -np.ones(5)))
    assert "no value above zero here" in " ".join(lines(below, Viewport(log=True)))


def test_the_severest_mark_of_a_column_is_shown():
    marks = tuple(Mark(50, kind, kind) for kind in ("removal", "collapse", "reset", "spike"))
    drawn = lines(chart(Curve("loss", np.arange(100), np.ones(100)), marks=marks))
    assert "✖" in drawn[-2] and "▲" not in drawn[-2]


def test_many_marks_leave_room_between_their_lines():
    marks = tuple(Mark(step, "removal", f"removal {step}") for step in range(0, 1000, 5))
    drawn = lines(chart(Curve("loss", np.arange(1000), np.ones(1000)), marks=marks), size=(80, 12))
    assert drawn[2].count("┊") <= 20
    assert drawn[-2].count("▴") > 60


def test_curves_are_told_apart_without_colour():
    x = np.arange(100)
    both = chart(Curve("this", x, x + 1.0), Curve("other", x, 200.0 - x))
    drawn = lines(both, style=ChartStyle(), size=(60, 12))
    assert "A this" in drawn[0] and "B other" in drawn[0]
    assert "A" in "".join(drawn[1:]) and "B" in "".join(drawn[1:])


def test_levels_are_named_where_no_curve_runs():
    x = np.arange(100)
    curve = Curve("exact match", x, x / 100, "success", smooth=False)
    drawn = lines(chart(curve, percent=True, levels=((0.62, "No CoT"),)), size=(60, 12))
    assert any("No CoT" in line and "╌╌╌" in line for line in drawn)


def test_changes_are_the_cells_that_differ():
    one, two = Canvas(10, 3), Canvas(10, 3)
    for canvas in (one, two):
        canvas.write(0, 0, "same", Ink("primary"))
    two.write(4, 1, "x", Ink("primary"))
    regions = changes(one.frame(), two.frame())
    assert [(region.x, region.y, region.width) for region in regions] == [(3, 1, 3)]
    assert changes(two.frame(), two.frame()) == []
    assert len(changes(None, two.frame())) == 3


def test_the_ends_of_a_percent_axis_are_level_with_their_labels():
    x = np.arange(100)
    drawn = lines(chart(Curve("exact match", x, np.ones(100), smooth=False), percent=True))
    assert drawn[1].startswith(" 100%┤⠤⠤") or drawn[1].startswith(" 100%┤⠒⠒")


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [(0.01, 0.02), (5.0, 6.0), (0.5, 2.5), (2.5, 6.0)])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_values_are_zoomed_the_right_way_round_wherever_the_curve_is(log, values, factor):
    data = chart(Curve("loss", np.arange(50), np.linspace(3.0, 2.0, 50)))
    view = zoomed_values(data, Viewport(log=log, values=values), (0.0, 49.0), factor, None)
    if view.values is not None:
        low, high = view.values
        assert low < high and (low >= values[0] and high <= values[1]) == (factor < 1)


def test_a_value_measured_elsewhere_says_where():
    data = chart(
        Curve("loss", np.arange(100), np.ones(100)),
        Curve("exact match", np.array([10.0, 90.0]), np.array([0.5, 0.75]), smooth=False),
    )
    (head, *_) = lines(data, Viewport(cursor=60.0), (90, 8))
    assert "step 60" in head and "0.750 at 90" in head and "1.00 (smoothed 1.00) at" not in head
    (head, *_) = lines(data, Viewport(cursor=90.0), (90, 8))
    assert "0.750" in head and "0.750 at" not in head


def test_a_point_stands_in_the_row_of_a_line_of_its_value():
    for value in np.linspace(0.1, 0.9, 81):
        curve = Curve("exact match", np.arange(3.0), np.array([0.0, value, 1.0]), points=True)
        data = chart(curve, levels=((value, ""),))
        lines = draw(data, Viewport(), 40, 12)[0].lines()
        middle = [row for row, line in enumerate(lines) if "•" in line[15:30]]
        assert middle == [row for row, line in enumerate(lines) if "╌" in line], value
