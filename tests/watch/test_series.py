import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icot_tui.watch.series import StepSeries, single

losses = st.lists(
    st.floats(-(2.0**100), 2.0**100, width=32) | st.just(math.nan), min_size=1, max_size=700
)


def series_of(values: list[float], first: int = 1) -> StepSeries:
    series = StepSeries()
    for begin in range(0, len(values), 7):
        series.extend(first + begin, np.array(values[begin : begin + 7], np.float32))
    return series


def wave(length: int) -> np.ndarray:
    return (np.sin(np.arange(length) / 50) + 2).astype(np.float32)


def test_an_empty_series() -> None:
    series = StepSeries()
    assert len(series) == 0
    assert series.first_step is series.last_step is None
    assert series.window(0, 10, 5)[0].tolist() == []
    series.cut(0)


def test_a_short_range_is_handed_out_whole() -> None:
    series = series_of([1, 2, 3, math.nan, 5], first=10)
    steps, values = series.window(11, 13, 5)
    assert steps.tolist() == [11, 12, 13]
    np.testing.assert_array_equal(values, [2, 3, math.nan])
    assert (series.first_step, series.last_step) == (10, 14)


@pytest.mark.slow
@settings(max_examples=200)
@given(losses, st.integers(2, 40), st.data())
def test_a_window_shows_every_extreme_and_every_gap(
    values: list[float], columns: int, data: st.DataObject
) -> None:
    series = series_of(values)
    low = data.draw(st.integers(1, len(values)))
    high = data.draw(st.integers(low, len(values)))
    steps, shown = series.window(low, high, columns)
    inside = np.array(values[low - 1 : high], np.float32)
    assert len(shown) <= 2 * columns + 2
    assert (np.diff(steps) >= 0).all()
    if np.isfinite(inside).any():
        assert np.nanmin(shown) <= np.nanmin(inside)
        assert np.nanmax(shown) >= np.nanmax(inside)
    assert not np.isnan(inside).any() or np.isnan(shown).any()
    whole = np.array(values, np.float32)
    assert np.isin(shown[np.isfinite(shown)], whole).all()


def test_columns_stand_still_while_the_series_grows() -> None:
    values = wave(10_000)
    series = series_of(values[:9000].tolist())
    steps, shown = series.window(1, 9000, 100)
    series.extend(9001, values[9000:9100])
    later_steps, later = series.window(1, 9100, 100)
    same = len(steps) - 4  # the last blocks still grow
    np.testing.assert_array_equal(steps[:same], later_steps[:same])
    np.testing.assert_array_equal(shown[:same], later[:same])


def test_cutting_and_growing_again_equals_never_having_been_longer() -> None:
    series, values = series_of(wave(20_000).tolist()), wave(20_000)
    for length in (19_000, 8_191, 64, 5, 0):
        series.window(1, len(series), 50)
        series.cut(length)
        new = np.full(6000, 7.0, np.float32)
        series.extend(length + 1, new)
        values = np.concatenate([values[:length], new])
        fresh = series_of(values.tolist())
        for one, other in zip(
            series.window(1, len(values), 50), fresh.window(1, len(values), 50), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_missing_steps_are_a_gap() -> None:
    series = series_of([1, 2])
    series.extend(5, np.array([5.0]))
    assert series.steps().tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(series.values(), [1, 2, math.nan, math.nan, 5])


def test_a_leap_too_far_to_fill_keeps_the_steps_right() -> None:
    series = series_of([1, 2])
    series.extend(10**12, np.array([5.0, 6.0]))
    assert series.steps().tolist() == [1, 2, 10**12, 10**12 + 1]
    assert (series.index(3), series.index(10**12 + 1), series.index(10**13)) == (2, 3, 4)
    series.cut(2)
    assert series.steps().tolist() == [1, 2]


def test_steps_that_come_again_replace_those_before() -> None:
    series = series_of([1, 2, 3, 4])
    series.extend(3, np.array([9.0]))
    assert series.steps().tolist() == [1, 2, 3]
    assert series.values().tolist() == [1, 2, 9]


def test_what_32_bits_cannot_hold_is_not_finite() -> None:
    np.testing.assert_array_equal(single(np.array([1e300, math.inf, 1.0])), [math.nan, math.nan, 1])
