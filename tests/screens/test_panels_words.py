"""Numbers and times as they are written everywhere on the screen."""

import math

import pytest

from icot_tui import formatting
from icot_tui.formatting import plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.5, "0.500"), (0.0123, "0.0123"), (1.5, "1.50"), (9.999, "10.0"),
        (76.44, "76.4"), (99.96, "100"), (999.6, "1,000"), (12345.6, "12,346"),
        (0.00001, "1.00e-05"), (-0.5, "-0.500"), (None, "not finite"), (math.nan, "not finite"),
        (math.inf, "not finite"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_that_count(value, text):
    assert formatting.number(value) == text


def test_counts_have_separators_and_agree_with_their_noun():
    assert formatting.count(1, "step") == "1 step"
    assert formatting.count(1240, "step") == "1,240 steps"
    assert formatting.count(2, "loss", "losses") == "2 losses"


def test_a_share_is_everything_or_nothing_only_where_it_is():
    assert formatting.percent(1.0) == "100 %"
    assert formatting.percent(0.9999) == "99.9 %"
    assert formatting.percent(0.0) == "0 %"
    assert formatting.short_percent(0.99982) == "99.9%"  # of which the log said 100.0%
    assert formatting.short_percent(1.0) == "100.0%" and formatting.short_percent(0.5) == "50.0%"
    assert formatting.percent(0.00001) == "0.1 %"
    assert formatting.percent(0.914) == "91.4 %"


def test_times_are_told_in_two_units():
    assert formatting.duration(12) == "12 s"
    assert formatting.duration(200) == "3 min 20 s"
    assert formatting.duration(math.inf) == "unknown time"
    assert formatting.rough(200) == "3 min"
    assert formatting.rough(5 * 3600 + 1234) == "5 h 20 min"
    assert formatting.age(2) == "just now"
    assert formatting.age(3 * 3600) == "3 h ago"


def test_a_clock_that_is_far_off_is_no_crash():
    assert formatting.clock(1e30) == "unknown"
    assert formatting.moment(math.nan, 0) == "unknown"


def test_what_could_drive_the_terminal_is_shown_instead():
    assert plain("a\x1b[31mb\u202ec\nd") == "a\\x1b[31mb\\u202ec\\nd"
    assert plain("[red]x[/red]") == "[red]x[/red]"
