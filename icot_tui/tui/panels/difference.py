"""Where two short texts differ, character by character."""

from difflib import SequenceMatcher

LONGEST = 400
"""Characters compared one by one; what is longer is compared as a whole."""


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
    """The text cut where right turns into wrong, and back."""
    pieces: list[tuple[str, bool]] = []
    for character, is_wrong in zip(text, wrong, strict=True):
        if pieces and pieces[-1][1] == is_wrong:
            pieces[-1] = (pieces[-1][0] + character, is_wrong)
        else:
            pieces.append((character, is_wrong))
    return pieces
