"""Answers compared as texts and as numbers, and by the published rule."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from icot_tui.data.comparison import as_number, default_compare, equal_answers


def published(one: str, other: str) -> bool:
    """The rule of the papers' code: commas are taken out of both, and blanks at the ends."""
    return one.strip().replace(",", "") == other.strip().replace(",", "")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("2,000", "2000", True),
        ("$2,000", "2000.0", True),
        ("72", "72.0", True),
        ("72.", "72", True),
        (".5", "0.50", True),
        ("-$5", "-5", True),
        ("+5", "5", True),
        ("007", "7", True),
        ("72", "73", False),
        ("72", "-72", False),
        ("1 2", "12", False),  # which digit comes first is not known
        ("0 8", "8", False),
        ("1  2", "1 2", True),
        ("1e3", "1000", False),
        ("nan", "nan", True),
        ("yes", "no", False),
        ("Tom is a rempus.", "Tom is a rempus.", True),
        ("", "0", False),
        ("\u0663", "3", False),
    ],
)
def test_as_numbers(one: str, other: str, equal: bool) -> None:
    assert equal_answers(one, other, "number") is equal
    assert equal_answers(other, one, "number") is equal


def test_as_texts() -> None:
    assert not equal_answers("2,000", "2000", "text")
    assert not equal_answers("2,000", "2000", None), "old runs keep their numbers"
    assert equal_answers("2,000", "2,000", None)


ANSWERS = st.text(alphabet="0123456789,.$- ", max_size=6)


@given(ANSWERS, ANSWERS)
def test_all_that_the_published_rule_counts_counts(one: str, other: str) -> None:
    if published(one, other):
        assert equal_answers(one, other, "number")


@given(st.integers(), st.integers(0, 10**6))
def test_numbers_written_otherwise_are_equal(value: int, other: int) -> None:
    assert equal_answers(f"${value:,}.00", str(value), "number")
    assert equal_answers(str(value), str(other), "number") == (value == other)
    assert as_number(f"{value:,}") == Decimal(value)


def test_the_published_figure_of_gsm8k() -> None:
    """Mistral-7B, by its published log: 667 of 1,319 as texts, 672 by the papers' rule.

    GSM8K's test file has 14 answers with commas; five of them were given, without commas.
    """
    with_commas = [(f"{1000 * n:,}", str(1000 * n if n <= 5 else n)) for n in range(1, 15)]
    plain = [(str(n), str(n) if n < 667 else f"{n}1") for n in range(1319 - 14)]
    answers = with_commas + plain
    assert len(answers) == 1319 and sum("," in gold for gold, _ in answers) == 14
    assert sum(equal_answers(gold, said, "text") for gold, said in answers) == 667
    assert sum(published(gold, said) for gold, said in answers) == 672
    assert sum(equal_answers(gold, said, "number") for gold, said in answers) == 672


@pytest.mark.parametrize(
    ("answers", "compare"),
    [
        (["18", "$2,000", "1.5"], "number"),
        (["18", "yes"], "text"),
        (["8 0 4", "1 2"], "text"),  # digits one by one, perhaps the lowest first
        ([], "text"),
    ],
)
def test_the_default_follows_the_answers(answers: list[str], compare: str) -> None:
    assert default_compare(answers) == compare
