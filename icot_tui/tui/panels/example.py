"""A real example with what is left of its chain of thought."""

from collections.abc import Sequence

from rich.cells import cell_len

from icot_tui.config import RunConfig, method_of
from icot_tui.data.tasks import Task, make_task
from icot_tui.engine.journal.events import ExampleShown
from icot_tui.errors import UserError
from icot_tui.formatting import plain
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.text import Line, Piece, first_fitting, line, wrap

LABEL = 11
"""Cells of the labels at the left, where they fit."""
ROOMY = 34
"""From this width on there are labels."""
BACKWARDS = (", written lowest digit first", ", digits reversed", "")
"""What is said of a question that the model reads backwards, the longest that fits."""


def task_of(config: RunConfig | None) -> Task | None:
    """The generated task of a run, which formats its questions and answers for people."""
    if config is None or config.data.task is None:
        return None
    try:
        return make_task(config.data.task, config.data.options)
    except UserError:
        return None


def lowest_first(task: Task | None) -> bool:
    """Does the model write this task's numbers with their ones digit first?"""
    return task is not None and task.human_answer("1 2") == "21"


def _separator(tokens: list[str]) -> str:
    """A blank, unless the tokens have their own."""
    return "" if any(token[:1].isspace() for token in tokens) else " "


def example_lines(
    example: ExampleShown,
    stage: int,
    config: RunConfig | None,
    area: Area,
    rows: int,
    next_stage: int,
) -> list[Line]:
    """Question, reasoning and answer in at most so many rows; the reasoning is most important.

    Marked is what goes when the stage becomes `next_stage`; nothing where that is the same.
    """
    label = LABEL if area.width >= ROOMY else 0
    chain = _chain_lines(example, (stage, next_stage), area, area.width - label, rows >= 5)
    shown = _labelled(_chain_label(stage, config), chain, label)
    task = task_of(config)
    if rows >= len(shown) + 2:
        question = _separator(example.input).join(example.input)
        human = task.human_input(question) if task else ""
        backwards = BACKWARDS if human != question and lowest_first(task) else ("",)
        shown.insert(0, _span("question", question, human, label, area, backwards))
    if rows >= len(shown) + 1:
        answer = _separator(example.answer).join(example.answer)
        answer = answer.partition("####")[2].strip() or answer
        human = task.human_answer(answer) if task else ""
        shown.append(_span("answer", answer, human, label, area))
    if len(shown) > rows > 0:  # what goes next must be visible
        at = next((i for i, each in enumerate(shown) if _has_next(each)), 0)
        first = max(0, min(at - rows + 2, len(shown) - rows)) if at >= rows else 0
        shown = shown[first : first + rows]
    return shown


def _chain_label(stage: int, config: RunConfig | None) -> str:
    """What a chain is that its method never writes, but does not remove either."""
    never = stage > 0 and config is not None and not method_of(config).removes_tokens
    return "unwritten" if never else "reasoning"


def _chain_lines(
    example: ExampleShown, stages: tuple[int, int], area: Area, width: int, with_caret: bool
) -> list[Line]:
    """The chain of thought; removed tokens are faint, the next ones to go are marked."""
    order, (stage, next_stage) = example.removal_order, stages
    gone = set(order[: example.removed(stage)])
    following = set(order[len(gone) : example.removed(next_stage)])
    gap = _separator(example.cot)
    pieces: list[Piece] = []
    for at, token in enumerate(example.cot):
        style = "ghost" if at in gone else "next" if at in following else "left"
        pieces += _token(plain(token), style, area)
        if gap and at < len(example.cot) - 1:
            pieces.append((gap, ""))
    lines = wrap(tuple(pieces), width)
    if not with_caret or area.plain or not following:
        return lines
    marked = []
    for each in lines:
        marked += [each, _caret(each, width, area)] if _has_next(each) else [each]
    return marked


def _token(text: str, style: str, area: Area) -> list[Piece]:
    if style == "left":
        return [(text, "")]
    blanks = text[: len(text) - len(text.lstrip())]
    word = text[len(blanks) :]
    if style == "ghost":
        ghost = area.glyph.ghost * max(1, cell_len(word))
        return [(blanks, ""), (ghost if area.plain else word or ghost, "dim strike")]
    if area.plain:
        return [(blanks, ""), (f"[{word}]", "bold reverse")]
    return [(blanks, ""), (word or " ", "bold reverse warning")]


def _has_next(pieces: Line) -> bool:
    return any("reverse" in style for _, style in pieces)


def _caret(pieces: Line, width: int, area: Area) -> Line:
    before = 0
    for text, style in pieces:
        if "reverse" in style:
            break
        before += cell_len(text)
    words = f"{area.glyph.caret} goes next"
    if before + len(words) > width:
        words = f"goes next {area.glyph.caret}"
        before = max(0, before - len(words) + 1)
    return line(" " * before, (words, "warning"))


def _labelled(label: str, lines: list[Line], width: int) -> list[Line]:
    if not width:
        return lines
    labels = [label, *[""] * (len(lines) - 1)]
    return [((text.ljust(width), "dim"), *each) for text, each in zip(labels, lines, strict=True)]


def _span(
    label: str, text: str, human: str, width: int, area: Area, notes: Sequence[str] = ("",)
) -> Line:
    """A text on one line, and beside it as people write it, with the longest note that fits."""
    if not human or human == text:
        return area.cut(_labelled(label, [line(text)], width)[0])
    room = area.width - width - cell_len(text) - 3
    beside = first_fitting(room, *(human + note for note in notes))
    return area.cut(_labelled(label, [line(text, (f"   {beside}", "dim"))], width)[0])
