"""How a filter is read: `accuracy>0.9 tag:paper`, also with blanks around a comparison."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from icot_tui.errors import UserError

_OPERATOR = re.compile(r"<=|>=|!=|==|=|<|>|~|:")
_BEGINNING = re.compile(rf"([A-Za-z_][\w.-]*)\s*({_OPERATOR.pattern})")
_PERCENTAGE = re.compile(r"\s*\d[\d.]*\s*%(?!\S)")
_TERM = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_SAME = {":": "=", "==": "="}


@dataclass(frozen=True)
class Condition:
    """A key, a comparison (`=` `!=` `<` `<=` `>` `>=` `~`) and a value; `text` is as written."""

    text: str
    key: str
    operator: str
    value: str


def conditions(text: str) -> Iterator[Condition | str]:
    """The conditions of a filter, and the words in it.

    Raises:
        UserError: a comparison has no key before it.
    """
    at = 0
    while at < len(text):
        beginning, term = _BEGINNING.match(text, at), _TERM.match(text, at)
        if beginning is not None:
            begin, end = beginning.end(), _end_of_value(text, beginning.end())
            key, operator = beginning.groups()
            value = _unquoted(text[begin:end])
            yield Condition(text[at:end], key, _SAME.get(operator, operator), value)
            at = end
        elif term is not None:
            if operator_first := _OPERATOR.match(term[0]):
                raise UserError(
                    f"the filter '{term[0]}' lacks a key before {operator_first[0]}, such as "
                    "accuracy>0.5; in double quotes it is a word to look for"
                )
            yield _unquoted(term[0])
            at = term.end()
        else:
            at += 1


def _end_of_value(text: str, begin: int) -> int:
    """Where the value ends that begins here or after blanks; after blanks it is no condition."""
    if percentage := _PERCENTAGE.match(text, begin):
        return percentage.end()
    value = len(text) - len(text[begin:].lstrip())
    if value > begin and _BEGINNING.match(text, value):
        return begin
    term = _TERM.match(text, value)
    return begin if term is None else term.end()


def _unquoted(text: str) -> str:
    """Without double quotes, and without blanks but those in quotes."""
    return "".join(
        part if at % 2 else "".join(part.split()) for at, part in enumerate(text.split('"'))
    )
