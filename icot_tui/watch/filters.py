"""The language that chooses runs, in the shell and on the screen: `accuracy>0.9 tag:paper`.

All conditions must hold. A condition is a key, a comparison and a value, or a word that is looked
for in names, tags, notes and descriptions (it may be a regular expression). A run that lacks a
value meets no comparison with it but `=none`. Percentages are compared as they are listed.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from icot_tui.errors import UserError
from icot_tui.formatting import short_of_all, short_percent
from icot_tui.watch.conditions import Condition, conditions
from icot_tui.watch.runs import RunLine

FACTS: Mapping[str, Callable[[RunLine], Any]] = {
    "name": lambda line: line.name,
    "status": lambda line: str(line.status),
    "method": lambda line: (line.method, line.config.get("method.name", line.method)),
    "accuracy": lambda line: line.accuracy,
    "best": lambda line: line.best,
    "removed": lambda line: None if line.of is None else line.stage,
    "steps": lambda line: line.step,
    "loss": lambda line: line.summary.metrics.loss,
    "seconds": lambda line: line.summary.metrics.seconds,
    "tag": lambda line: line.tags,
    "note": lambda line: line.note or None,
}
TITLES: Mapping[str, str] = {"run": "name", "exact match": "accuracy", "tags": "tag"}
"""Keys by the titles of their columns in lists."""
SHARES = ("accuracy", "best")
GREATEST_FIRST = ("accuracy", "best", "removed", "steps", "seconds")
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


Test = Callable[[RunLine], bool]


def value_of(line: RunLine, key: str) -> Any:
    """A run's value of a key: one of `FACTS`, or of its config by the dotted name; None without."""
    fact = FACTS.get(key)
    return line.config.get(key) if fact is None else fact(line)


def run_filter(text: str, lines: Sequence[RunLine]) -> Test:
    """Whether a run meets all conditions of a filter.

    Raises:
        UserError: a condition makes no sense for these runs; what is there instead.
    """
    tests = [
        _word(each) if isinstance(each, str) else _test(each, lines) for each in conditions(text)
    ]
    return lambda line: all(test(line) for test in tests)


def keys_in(text: str) -> list[str]:
    """The keys that a filter compares."""
    return [each.key for each in conditions(text) if isinstance(each, Condition)]


def in_order(lines: Sequence[RunLine], key: str, reverse: bool = False) -> list[RunLine]:
    """Runs by a key: results greatest first, all else smallest first; those without it last.

    A column's title is a key, too; by "began" the newest are first. Of runs with the same exact
    match, those come first that have removed more.

    Raises:
        UserError: there is no such key.
    """
    key = TITLES.get(key, key)
    if key == "began":
        values: dict[int, Any] = {id(line): line.age for line in lines}
    else:
        _check_key(key, lines, f"sort by '{key}'")
        values = {id(line): value_of(line, key) for line in lines}
    known = [line for line in lines if values[id(line)] not in (None, ())]

    def rank(line: RunLine) -> tuple[bool, Any, int]:
        value = values[id(line)]
        stage = line.stage if key in SHARES else 0
        return (False, value, stage) if _is_number(value) else (True, in_words(value).casefold(), 0)

    ranked = sorted(known, key=rank, reverse=reverse != (key in GREATEST_FIRST))
    return [*ranked, *(line for line in lines if values[id(line)] in (None, ()))]


def _test(condition: Condition, lines: Sequence[RunLine]) -> Test:
    term, key = condition.text, condition.key
    operator, wanted = condition.operator, condition.value
    _check_key(key, lines, f"the filter '{term}'")
    if not wanted:
        raise UserError(f"the filter '{term}' lacks a value: write one, or {key}=none")
    present = [value for line in lines if (value := value_of(line, key)) is not None]
    if wanted == "none" and operator in ("=", "!="):
        return lambda line: (value_of(line, key) in (None, ())) == (operator == "=")
    if operator == "~":
        return lambda line: any(
            wanted.casefold() in _listed(key, each).casefold()
            for each in _each(value_of(line, key))
        )
    if any(map(_is_number, present)) and not any(isinstance(value, str) for value in present):
        number = _number(term, key, wanted)
        if key in SHARES and number > 1 and not wanted.endswith("%"):
            raise UserError(
                f"the filter '{term}': {key} is a share of 1, such as {key}>0.9 or {key}>90%"
            )
        if key in SHARES and wanted.endswith("%"):
            decimals = max(1, len(wanted.removesuffix("%").partition(".")[2]))
            return _comparison(key, operator, _percentage(number, decimals), decimals)
        return _comparison(key, operator, number)
    if operator in _ORDER and present:
        texts = dict.fromkeys(in_words(each) for value in present for each in _each(value))
        there = _shortened(", ".join(texts))
        raise UserError(f"the filter '{term}' compares text: use =, != or ~; {key} is {there}")
    if operator in _ORDER:
        return lambda line: False
    text = wanted.casefold()

    def equal(line: RunLine) -> bool:
        found = value_of(line, key)
        same = any(in_words(each).casefold() == text for each in _each(found))
        return found is not None and same == (operator == "=")

    return equal


def _comparison(key: str, operator: str, wanted: float, decimals: int | None = None) -> Test:
    """With `decimals`, shares are compared as percentages that are rounded to so many."""

    def holds(line: RunLine) -> bool:
        found = value_of(line, key)
        if not _is_number(found):
            return False
        found = found if decimals is None else _percentage(found, decimals)
        if operator in _ORDER:
            return _ORDER[operator](found, wanted)
        return bool(found == wanted) == (operator == "=")

    return holds


def _word(wanted: str) -> Test:
    """What is no regular expression is only looked for as it is; capital letters do not matter."""
    try:
        pattern = re.compile(wanted, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError):
        pattern = re.compile(re.escape(wanted), re.IGNORECASE)

    def found(line: RunLine) -> bool:
        texts = (line.name, line.status, line.method, line.description, line.note, *line.tags)
        return any(wanted.casefold() in text.casefold() or pattern.search(text) for text in texts)

    return found


def _check_key(key: str, lines: Sequence[RunLine], what: str) -> None:
    if key in FACTS or not lines:
        return
    known = dict.fromkeys(name for line in lines for name in line.config)
    if key in known:
        return
    same = [name for name in known if name.rpartition(".")[2] == key]
    alike = same or get_close_matches(key, [*FACTS, *known], n=1, cutoff=0.7)
    hint = (
        f"did you mean {' or '.join(alike)}?"
        if alike
        else f"there are {', '.join(FACTS)}, and the keys of configs, such as train.learning_rate"
    )
    raise UserError(f"{what}: no run has a key '{key}'; {hint}")


def _number(term: str, key: str, wanted: str) -> float:
    """A number, or a share such as `90%`."""
    try:
        share = wanted.endswith("%")
        value = float(wanted.removesuffix("%")) / (100 if share else 1)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise UserError(f"the filter '{term}': {key} is a number, such as {key}>0.5")
    return value


def _percentage(share: float, decimals: int) -> float:
    """Rounded as it is listed: to 0 or 100 only where nothing, or all, is meant."""
    return float(f"{100 * short_of_all(share, 0.1 ** (decimals + 2)):.{decimals}f}")


def _listed(key: str, value: Any) -> str:
    """A value as lists show it."""
    return short_percent(value) if key in SHARES else in_words(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _each(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def in_words(value: Any) -> str:
    """A value as a filter compares it; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(in_words, value)) if isinstance(value, list | tuple) else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
