"""Validation examples as lines: question, the model's answer, and where it is wrong."""

from collections.abc import Sequence

from icot_tui.data.tasks import Task
from icot_tui.engine.evaluation.samples import Sample
from icot_tui.formatting import plain
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.difference import runs, wrong_characters
from icot_tui.tui.panels.text import Line, cells, columns, cut, line

GROUPS = {
    "random": ("random examples (the same each time)", "random examples"),
    "worst": ("wrong, with the largest loss", "largest loss"),
    "best": ("right, with the smallest loss", "smallest loss"),
}
"""Why samples were kept, in many words and in few, in the order shown."""
LONG = 0.4
"""Questions that take a larger share of the width get a line of their own."""
WITH_REASONING, WITH_LABELS = 56, 36
"""Widths from which on there is room for them."""


def sample_lines(samples: Sequence[Sample], task: Task | None, area: Area) -> list[Line]:
    """All samples, one line each, or two where questions are long."""
    lines: list[Line] = []
    for kind, titles in GROUPS.items():
        group = [sample for sample in samples if sample.kind == kind]
        if group:
            title = next((each for each in titles if len(each) <= area.width), titles[-1])
            lines.append(line((title, "dim italic")))
            lines += _group(group, task, area)
    return lines


def _group(group: Sequence[Sample], task: Task | None, area: Area) -> list[Line]:
    questions = [_question(sample, task) for sample in group]
    longest = max(map(cells, questions))
    if longest > LONG * area.width:
        return _in_two_lines(group, questions, task, area)
    rows, gap = [], 2 if area.width >= WITH_LABELS else 1
    for sample, question in zip(group, questions, strict=True):
        label = "right " if area.width >= WITH_LABELS else area.glyph.arrow
        more = () if sample.correct else line((label, "dim"), _answer(sample.answer, task))
        row = [_mark(sample, area), question, _written(sample, task, area), more]
        if area.width >= WITH_REASONING and any(each.model_cot for each in group):
            thought = f"reasoning {sample.model_cot}" if sample.model_cot else ""
            row.append(line((thought, "dim")))
        rows.append(row)
    if any(not each.correct for each in group):
        return columns(rows, gap)
    return columns([[*row[:3], *row[4:]] for row in rows], gap)


def _in_two_lines(
    group: Sequence[Sample], questions: Sequence[Line], task: Task | None, area: Area
) -> list[Line]:
    lines = []
    for sample, question in zip(group, questions, strict=True):
        lines.append((*_mark(sample, area), (" ", ""), *question))
        told = (("  ", ""), *_written(sample, task, area))
        if not sample.correct:
            told = (*told, ("  right ", "dim"), *line(_answer(sample.answer, task)))
        lines.append(told)
    return [cut(each, area.width, area.glyph.ellipsis) for each in lines]


def _mark(sample: Sample, area: Area) -> Line:
    glyph = area.glyph
    return line((glyph.right, "success") if sample.correct else (glyph.wrong, "bold error"))


def _question(sample: Sample, task: Task | None) -> Line:
    return line(task.human_input(sample.input) if task else sample.input)


def _answer(text: str, task: Task | None) -> str:
    return task.human_answer(text) if task else text


def _written(sample: Sample, task: Task | None, area: Area) -> Line:
    """The model's answer with its wrong characters marked, also without colour."""
    if sample.model_answer is None:
        return line(("no answer", "error"))
    written, gold = _answer(sample.model_answer, task), _answer(sample.answer, task)
    if sample.correct:
        return line((written, "success"))
    if not written:
        return line(("nothing", "error"))
    wrong = "underline reverse" if area.plain else "bold underline error"
    pieces = runs(written, wrong_characters(written, gold))
    return line(*((plain(text), wrong if is_wrong else "") for text, is_wrong in pieces))
