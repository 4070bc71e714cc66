"""Where two short texts differ, character by character."""

from difflib import SequenceMatcher
from itertools import groupby

LONGEST = 400
"""Longer texts are compared as a whole."""


def wrong_characters(written: str, gold: str) -> list[bool]:
    """For each written character: does it differ from the right text?

    Numbers of the same or another length are compared digit by digit from their ends, as in
    arithmetic; other texts of one length place by place, and of unlike lengths by what they share.
    """
    if written == gold:
        return [False] * len(written)
    if max(len(written), len(gold)) > LONGEST:
        return [True] * len(written)
    if written.isdigit() and gold.isdigit():
        padded = gold.rjust(len(written), "\0")[-len(written) :]
        return [one != other for one, other in zip(written, padded, strict=True)]
    if len(written) == len(gold):
        return [one != other for one, other in zip(written, gold, strict=True)]
    wrong = [True] * len(written)
    for block in SequenceMatcher(None, written, gold, autojunk=False).get_matching_blocks():
        wrong[block.a : block.a + block.size] = [False] * block.size
    return wrong


def runs(text: str, wrong: list[bool]) -> list[tuple[str, bool]]:
    """The text in pieces, each all right or all wrong."""
    pairs = groupby(zip(text, wrong, strict=True), key=lambda pair: pair[1])
    return [("".join(character for character, _ in run), is_wrong) for is_wrong, run in pairs]
