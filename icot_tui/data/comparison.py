"""When two answers are equal: as texts, or as numbers, as the papers compare those of GSM8K."""

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import zip_longest
from typing import Literal

Compare = Literal["text", "number"]
DECIDING = 256
"""The first answers of a source, by which it is decided how they are compared."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_LEFT_OUT = str.maketrans("", "", ",$")
_NONZERO = frozenset("123456789")


def equal_answers(one: str, other: str, compare: Compare | None) -> bool:
    """Are two answers equal? None compares them as texts.

    As numbers: commas, `$` and blanks at the ends are left out; if both are then numbers, their
    values are compared (2,000 = 2000 = 2000.0), else their texts with single blanks. This counts
    all that the published code counts (`extract_answer` in its src/data.py leaves commas out).
    Digits with blanks between them are no number: which one comes first is not known.
    """
    if compare != "number":
        return one == other
    numbers = as_number(one), as_number(other)
    if None in numbers:
        return _bare(one).split() == _bare(other).split()
    return numbers[0] == numbers[1]


def as_number(text: str) -> Decimal | None:
    """The number that an answer is, without commas and `$`; None where it is none."""
    bare = _bare(text).strip()
    return Decimal(bare) if _NUMBER.fullmatch(bare) else None


def default_compare(answers: Iterable[str]) -> Compare:
    """As numbers if all of the answers are such, and there are any."""
    numbers = [as_number(answer) for answer in answers]
    return "number" if numbers and None not in numbers else "text"


def numbers_never_equal(one: str, other: str, ended: bool) -> bool:
    """After equal texts, can these two never lead to answers that are equal as numbers?

    So it is where the first difference is one digit or another, and neither is a zero, which may
    lead or trail. Or one answer `ended`, and the other goes on with such a digit.

    Args:
        one, other: what comes next of each answer, without blanks; empty where nothing is known.
        ended: one of the answers came to its end instead, and its text is empty.
    """
    pairs = zip_longest(_bare(one), _bare(other))
    differing = next((pair for pair in pairs if pair[0] != pair[1]), ())
    return sum(text in _NONZERO for text in differing) == (1 if ended else 2)


def _bare(text: str) -> str:
    return text.translate(_LEFT_OUT)
