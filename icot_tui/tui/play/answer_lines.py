"""Answers as lines: right or wrong, the probability of each token, the whole chain of thought."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from icot_tui.analysis.checkpoints import PAIR, CheckpointEntry
from icot_tui.formatting import confidence, count, listed, percent, plain, short_percent
from icot_tui.tui.panels.text import (
    Glyphs,
    Line,
    Piece,
    apart,
    cells,
    level,
    line,
    paragraph,
    wrap,
)
from icot_tui.tui.play.legend import same_digits
from icot_tui.tui.play.records import AskResult, ChosenToken

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer, AnswerToken, ChainToken

SEPARATOR = "SEP"
INDENT = 9


def choosable(result: AskResult) -> list[ChosenToken]:
    """Tokens that can be chosen: of the chain of thought, then of the correct answer."""
    answer = result.answer
    if answer is None:
        return []
    found = [
        ChosenToken("chain", token.place, plain(token.expected or token.text), not token.written)
        for token in answer.chain
        if token.place is not None
    ]
    digits = result.digits or tuple(token.text for token in _written(answer))
    return found + [ChosenToken("answer", place, plain(text)) for place, text in enumerate(digits)]


def _written(answer: "Answer") -> "list[AnswerToken]":
    """The answer's tokens without the separator that closes it."""
    return [token for token in answer.tokens if token.text != SEPARATOR]


def default_choice(choices: Sequence[ChosenToken]) -> int:
    """The first hidden token, or the first of the answer."""
    hidden = [at for at, chosen in enumerate(choices) if chosen.hidden]
    answer = [at for at, chosen in enumerate(choices) if chosen.part == "answer"]
    return (hidden or answer or [0])[0]


def answer_lines(
    result: AskResult,
    width: int,
    glyph: Glyphs,
    *,
    first: bool = False,
    focused: bool = False,
    chosen: ChosenToken | None = None,
    short: bool = False,
) -> list[Line]:
    """One checkpoint's answer in `width` cells.

    Args:
        first: is it the one under the cursor?
        focused: does the pane have the focus?
        chosen: the token under the cursor.
        short: only what fits a small pane.
    """
    head = _head(result.entry, glyph, first, focused)
    answer = result.answer
    if answer is None:
        return [head, *paragraph(f"  {result.problem}", width, "error")]
    cost, room = line((_cost(result, answer), "dim")), max(8, width - INDENT)
    lines = [apart(head, cost, width)]
    if lines == [head] and not short:  # no room for both
        lines += _labelled("cost", wrap(cost, room))
    said = _answer(answer, glyph)
    if result.entry.mixed:
        said = _if_it_fits(said, _sure(answer), room)
    lines += _labelled("answer", [said])
    sure = _probabilities(answer, glyph, chosen)
    lines += _labelled("how sure", wrap(_ordered(sure, result, room), room))
    *thought, end = _chain(answer, width - INDENT, chosen)
    lines += _labelled("thought", [*thought, _ordered(end, result, room)])
    if answer.latents:
        lines += _labelled("latent", wrap(_latents(answer), room))
    for note in () if short else answer.notes:
        lines += _labelled("note", paragraph(note, room, "warning"))
    return lines


def _ordered(tokens: Line, result: AskResult, width: int) -> Line:
    """The tokens and, where the model writes numbers backwards and there is room, that it does."""
    return _if_it_fits(tokens, "  lowest digit first", width) if result.lowest_first else tokens


def _if_it_fits(pieces: Line, more: str, width: int) -> Line:
    return (*pieces, (more, "dim")) if cells(pieces) + len(more) <= width else pieces


def _sure(answer: "Answer") -> str:
    """The probability of the whole answer, beside what was written for it."""
    written = count(answer.written, "token")
    return f"  sure {confidence(answer.confidence)} with {written} written"


def _head(entry: CheckpointEntry, glyph: Glyphs, first: bool, focused: bool) -> Line:
    mark = (glyph.arrow if first else "  ", "bold accent" if focused else "bold")
    staged = entry.stage is not None and not entry.is_pair
    stage = f"  stage {entry.stage}" if staged else ""
    of = f" of {entry.greatest_stage}" if staged and entry.greatest_stage is not None else ""
    return line(mark, (entry.label, "bold primary"), f"{stage}{of}", (_kind(entry), "dim"))


KINDS = {
    "teacher": "  explicit",
    "student": "  student alone",
    "emulator": "  emulator alone",
    PAIR: "  ICoT-KD pair",
}


def _kind(entry: CheckpointEntry) -> str:
    if entry.phase in KINDS:
        return KINDS[entry.phase]
    if entry.is_control:
        return "  No CoT"
    if entry.stage == 0:
        return "  explicit"
    return "  implicit" if entry.implicit else ""


def _cost(result: AskResult, answer: "Answer") -> str:
    hidden = "" if answer.hidden is None else f", {answer.hidden} hidden"
    opening = result.seconds - answer.seconds
    opened = f" (opened in {opening:.1f} s)" if opening > 0.5 else ""
    return f"{answer.written} written{hidden}, {1000 * answer.seconds:.0f} ms{opened}"


def _answer(answer: "Answer", glyph: Glyphs) -> Line:
    shown = ("no answer" if answer.shown is None else answer.shown, "bold")
    if answer.right is None:
        return line(shown, ("  the correct answer is unknown", "dim"))
    if answer.right:
        return line(shown, (f"  {glyph.right} right", "bold success"))
    return line(shown, (f"  {glyph.wrong} wrong", "bold error"), f"  it is {answer.expected}")


def _probabilities(answer: "Answer", glyph: Glyphs, chosen: ChosenToken | None) -> Line:
    """Each token of the answer with its probability; the chosen one highlighted."""
    pieces: list[Piece] = []
    chosen_place = None if chosen is None or chosen.part == "chain" else chosen.place
    for place, token in enumerate(answer.tokens):
        here = place == chosen_place and token.text != SEPARATOR
        text, share = plain(token.text), token.probability
        colour = "success" if share >= 0.9 else "warning" if share >= 0.5 else "error"
        name = f"[{text}]" if here and not glyph.levels else text
        pieces += [
            (name, "bold reverse" if here else "bold"),
            (f" {level(share, glyph)}" if glyph.levels else "", colour),
            (f" {percent(share)}".replace(" %", "%"), "dim"),
            ("  ", ""),
        ]
    return tuple(pieces)


def _latents(answer: "Answer") -> Line:
    """The token that the output layer finds nearest to each continuous thought."""
    pieces: list[Piece] = []
    for thought in answer.latents:
        nearest = thought.nearest[0]
        share = short_percent(nearest.probability)
        pieces += [(f"'{plain(nearest.text)}'", "italic"), (f" {share}  ", "dim")]
    return (*pieces, ("nearest tokens: a reading", "dim"))


def _chain(answer: "Answer", width: int, chosen: ChosenToken | None) -> list[Line]:
    """Written tokens solid, hidden ones dim and in brackets."""
    if not answer.chain:
        return [line(("no chain of thought", "dim"))]
    lines: list[list[Piece]] = [[]]
    used, written = 0, True
    for token in answer.chain:
        gap = " " if token.written == written else "]" if token.written else "["
        written, text = token.written, plain(token.text)
        if not text.strip():
            text = "_" * max(1, cell_len(text))
        size = 1 + cell_len(text)
        if used and used + size > max(4, width):
            lines.append([])
            used = 0
        lines[-1] += [(gap, "dim"), (text, _style(token, chosen))]
        used += size
    lines[-1].append(("" if written else "]", "dim"))
    return [tuple(each) for each in lines]


def _style(token: "ChainToken", chosen: ChosenToken | None) -> str:
    if chosen is not None and chosen.part == "chain" and token.place == chosen.place:
        return "bold reverse"
    if not token.written:
        return "dim italic"
    return "bold error underline" if token.right is False else "bold"


def _labelled(label: str, lines: Sequence[Line]) -> list[Line]:
    return [
        ((label.rjust(INDENT - 1) + " " if at == 0 else " " * INDENT, "dim"), *each)
        for at, each in enumerate(lines)
    ]


def chosen_words(chosen: ChosenToken, result: AskResult) -> str:
    """The token under the cursor in a sentence; a hidden one beside answer tokens like it."""
    answer = result.answer
    assert answer is not None
    if chosen.part != "chain":
        own = _written(answer)
        if chosen.place >= len(own):
            return f"{chosen.words}: the model wrote no token there"
        said, chance = plain(own[chosen.place].text), percent(own[chosen.place].probability)
        if said == chosen.text:
            return f"{chosen.words}: the model gave it {chance}"
        return f"{chosen.words}: the model wrote '{said}' ({chance})"
    token = next(one for one in answer.chain if one.place == chosen.place)
    if not token.written:
        hidden = f"hidden token {chosen.place + 1} '{chosen.text}'"
        alike = same_digits(chosen.text, result.digits)
        also = f"; {listed(alike)} of this answer {'is' if len(alike) == 1 else 'are'} the same"
        return f"{hidden} (written at stage 0){also if alike else ''}"
    sure = "" if token.probability is None else f" ({percent(token.probability)})"
    if token.right is False:
        wrote, true = plain(token.text), plain(token.expected or "")
        return f"token {chosen.place + 1}: the model wrote '{wrote}'{sure}, correct is '{true}'"
    return f"{chosen.words}{sure}"
