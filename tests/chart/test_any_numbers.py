"""Whatever the numbers are, a chart is so many lines of so many cells."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from icot_tui.tui.chart.canvas import BLANK, Canvas
from icot_tui.tui.chart.curves import WINDOWS
from icot_tui.tui.chart.data import ChartData, Curve, Mark
from icot_tui.tui.chart.draw import draw
from icot_tui.tui.chart.export import as_csv, as_svg, as_text
from icot_tui.tui.chart.style import MARKS, ChartStyle
from icot_tui.tui.chart.viewport import (
    Viewport,
    panned,
    stepped,
    to_mark,
    visible,
    with_cursor,
    zoomed,
)

ODD = [0.0, -0.0, 5e-324, -5e-324, 1e-308, 1e308, -1e308, 1.0, 1 + 1e-16, 1e16, 1e16 + 2]
ODD += [float("nan"), float("inf"), float("-inf"), 1e-300, 3.4e38, 1e290, -1e290]
numbers = st.sampled_from(ODD) | st.floats()
names = st.text(max_size=30)


@st.composite
def curves(draw_value):
    size = draw_value(st.integers(0, 40))
    values = st.lists(numbers, min_size=size, max_size=size)
    kind = draw_value(st.sampled_from(["steps", "any", "repeated", "descending"]))
    if kind == "any":
        x = np.array(draw_value(values))
    elif kind == "repeated":
        x = np.repeat(np.arange(-(-size // 3)), 3)[:size]
    else:
        x = np.arange(size)[:: -1 if kind == "descending" else 1]
    with np.errstate(over="ignore"):
        y = np.array(draw_value(values), draw_value(st.sampled_from([np.float64, np.float32])))
    colour = draw_value(st.sampled_from(["primary", "series3", "series12", "nonsense"]))
    return Curve(
        draw_value(names), x, y, colour, draw_value(st.booleans()), draw_value(st.booleans())
    )


marks = st.builds(Mark, numbers, st.sampled_from(sorted(MARKS)), names)
charts = st.builds(
    ChartData,
    curves=st.lists(curves(), max_size=4).map(tuple),
    marks=st.lists(marks, max_size=12).map(tuple),
    x_label=st.sampled_from(["step", "hours", "removed tokens"]) | names,
    y_label=names,
    version=st.integers(),
    empty=names,
    percent=st.booleans(),
    levels=st.lists(st.tuples(numbers, names), max_size=3).map(tuple),
)
views = st.builds(
    Viewport,
    st.none(),
    st.just(False),
    st.booleans(),
    st.sampled_from(WINDOWS),
    st.none(),
)
looks = st.builds(ChartStyle, st.booleans(), st.booleans())
sizes = st.tuples(st.integers(0, 250), st.integers(0, 70))
moves = st.lists(
    st.sampled_from(["in", "out", "left", "right", "back", "on", "mark", "before", "far"]),
    max_size=12,
)


def moved(view, data, steps):
    if data.extent is None:
        return view
    extent = data.extent
    for step in steps:
        match step:
            case "in":
                view = zoomed(view, extent, 0.01)
            case "out":
                view = zoomed(view, extent, 2, extent[0])
            case "left" | "right":
                view = panned(view, extent, -0.3 if step == "left" else 0.3)
            case "back" | "on":
                view = stepped(view, data, 60, -3 if step == "back" else 1)
            case "mark" | "before":
                view = to_mark(view, data, step == "mark")
            case "far":
                view = with_cursor(view, extent, 1e300)
        start, end = visible(view, extent)
        assert start < end
        assert np.isfinite([start, end]).all()
    return view


@pytest.mark.slow
@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(charts, views, sizes, looks, moves)
def test_a_chart_has_exactly_its_size(data, view, size, look, steps):
    width, height = size
    view = moved(view, data, steps)
    frame, _ = draw(data, view, width, height, look)
    lines = frame.lines()
    assert len(lines) == height
    assert {cell_len(line) for line in lines} <= {width}
    assert frame.inks.max(initial=0) < len(frame.palette)
    written = "".join(lines)
    assert written.isprintable()
    assert not look.ascii or written.isascii()


def test_a_wide_character_drawn_over_leaves_no_half():
    canvas = Canvas(8, 2)
    canvas.write(0, 0, "乘法乘法", BLANK)
    canvas.write(1, 0, "a", BLANK)
    canvas.paint(0, 4, "|", BLANK)
    canvas.write(0, 1, "ab乘", BLANK)
    assert canvas.frame().lines() == [" a法| 法", "ab乘    "]


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(charts, views, moves)
def test_any_chart_can_be_exported(data, view, steps):
    from xml.etree import ElementTree

    view = moved(view, data, steps)
    drawing = as_svg(data, view)
    ElementTree.fromstring(drawing)
    assert "nan" not in drawing.split("<path", 1)[-1].replace("not finite", "").split(">")[0]
    assert as_csv(data, view).splitlines()[0].startswith("curve,")
    assert as_text(data, view, 60, 12).count("\n") == 12


@pytest.mark.parametrize("size", [(w, h) for w in range(0, 45, 4) for h in range(0, 14)])
def test_small_sizes(size):
    data = ChartData(
        curves=(
            Curve("loss", np.arange(50), np.linspace(3, 0.1, 50)),
            Curve("乘法", [1, 2], [1, 2]),
        ),
        marks=(Mark(20, "removal", "removal 1"),),
        x_label="step",
        y_label="loss",
        version=0,
        empty="nothing",
    )
    for view in (Viewport(), Viewport(log=True), Viewport(cursor=20.0)):
        frame, _ = draw(data, view, *size)
        assert [cell_len(line) for line in frame.lines()] == [size[0]] * size[1]


def test_a_curve_needs_as_many_values_as_positions():
    with pytest.raises(ValueError, match="as many values"):
        Curve("loss", np.arange(3), np.arange(2))
    with pytest.raises(ValueError, match="one row"):
        Curve("loss", np.zeros((2, 2)), np.zeros((2, 2)))
