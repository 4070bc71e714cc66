"""What the rows and columns of a heat map are called, and what their names mean."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from icot_tui.formatting import count, listed, percent
from icot_tui.tui.play.records import ChosenToken

if TYPE_CHECKING:
    from icot_tui.analysis.examples import AlignedExamples

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
PLACES = ("ones", "tens", "hundreds", "thousands")
"""Digits of a number by their place, the lowest first."""
OPERANDS = "abdefghijklmnopqrstuvw"
ANSWER = "c"
MARKED_SHARE = 0.5
"""A hidden token is said to equal an answer token that it equals at least so often."""
_NUMBERED = re.compile(r"([a-zĉ])(\d+)")
_SEPARATORS = {
    "SEP": "the separator after the question",
    "SEP2": "the separator after the chain of thought",
    "####": "the mark before the answer",
}


def meaning(name: str, lowest_first: bool) -> str:
    """A column's name in words: `the ones digit of the first number` for a0."""
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None:
        own = f"the symbol '{name}'"
        return _SEPARATORS.get(name, "" if name.startswith("x-") else own)
    letter, place = numbered[1], int(numbered[2])
    if letter == "z":
        return f"token {place} of the chain of thought"
    if letter == "ĉ":
        return f"the running sum before digit {place} of the answer"
    if letter != ANSWER and letter not in OPERANDS:
        return ""
    whole = "the answer" if letter == ANSWER else _number(letter)
    if not lowest_first:
        return f"token {place + 1} of {whole}"
    digit = f"the {PLACES[place]} digit" if place < len(PLACES) else f"the 10^{place} digit"
    return f"{digit} of {whole}"


def _number(letter: str) -> str:
    at = OPERANDS.index(letter)
    return f"the {ORDINALS[at]} number" if at < len(ORDINALS) else f"number {at + 1}"


def legend(columns: Sequence[str], rows: Sequence[str], lowest_first: bool) -> str:
    """One sentence on the names of a map's columns, and one on its rows, if they are layers."""
    parts = []
    for (kind, _), group in groupby(columns, key=_kind):
        names = list(group)
        span = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        if kind == "z":
            parts.append(f"{span}: written tokens of the chain of thought")
        elif kind in (ANSWER, *OPERANDS):
            whole = "the answer" if kind == ANSWER else _number(kind)
            what = "digits" if lowest_first else "tokens"
            order = ", the ones digit first" if lowest_first and len(names) > 1 else ""
            parts.append(f"{span}: {what} of {whole}{order}")
        elif kind in _SEPARATORS:
            parts.append(f"{span}: {_SEPARATORS[kind]}")
        elif kind == "x":
            parts.append(f"{span}: question tokens, counted back from its end")
    sites = ""
    if "embed" in rows:
        sites = (
            " Rows from the bottom: embed is the embeddings; '1 mid' is layer 1 after its "
            "attention, '1 out' after its feed-forward block."
        )
    return f"Columns: {'; '.join(parts)}.{sites}"


def _kind(name: str) -> tuple[str, str]:
    """What columns side by side must share to be told together."""
    numbered = _NUMBERED.fullmatch(name)
    if numbered is not None:
        return numbered[1], ""
    return ("x", "") if name.startswith("x-") else (name, name)


def equals_answer(chosen: ChosenToken, aligned: "AlignedExamples") -> str:
    """Which answer tokens a hidden token mostly equals: reading these looks like reading it."""
    if not chosen.hidden or chosen.part != "chain":
        return ""
    split = aligned.split
    if chosen.place >= int(split.cot_lengths.min()):
        return ""
    ids = split.tokens[split.starts[:-1] + split.prompt_lengths + chosen.place]
    shares = [float((ids == aligned.answer_tokens(k)).mean()) for k in range(aligned.digits)]
    alike = [(k, share) for k, share in enumerate(shares) if share >= MARKED_SHARE]
    if not alike:
        return ""
    told = listed([f"{ANSWER}{k} in {percent(share)}" for k, share in alike])
    return (
        f"{chosen.name} equals the answer's {told} of {count(len(aligned), 'example')}: a place "
        "that seems to hold it may hold the answer."
    )


def same_digits(text: str, answer: Iterable[str]) -> list[str]:
    """Names of the answer's tokens that are this text: c0, c2."""
    return [f"{ANSWER}{k}" for k, token in enumerate(answer) if token.strip() == text.strip()]
