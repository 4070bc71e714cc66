"""The latest validation examples: questions, answers, and where they are wrong."""

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from textual.actions import SkipAction
from textual.binding import Binding

from icot_tui.data.tasks import Task
from icot_tui.engine.evaluation.samples import Sample, read_samples
from icot_tui.engine.journal.events import Evaluated
from icot_tui.engine.run_folder import RunFolder
from icot_tui.formatting import count
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.example import task_of
from icot_tui.tui.panels.text import EMPTY, Line, cells, columns, first_fitting, line, paragraph
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import History

LARGEST_BYTES = 4 << 20
"""Of a file of samples; what follows is not read for the screen."""
WITH_NOUN = 40
"""From this width on the heading says 'examples'."""
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
KEYS = "left and right: earlier and later evaluations   end: the newest"
LONGEST = 400
"""Longer texts are compared as a whole."""


class SamplesPanel(TextPanel):
    """Right and wrong answers, with the differences marked; left and right browse evaluations."""

    label = "samples"
    BINDINGS = [
        Binding("left", "browse(-1)", "earlier evaluation", show=False),
        Binding("right", "browse(1)", "later evaluation", show=False),
        Binding("end", "browse(0)", "newest evaluation", show=False, priority=True),
    ]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._at: int | None = None  # the evaluation shown; None: the newest

    def action_browse(self, by: int) -> None:
        """Go to a later evaluation, or an earlier one if negative; 0: the newest, and follow."""
        if self._view is None:
            return
        if not by and self._at is None:
            raise SkipAction  # the end of the lines is meant
        many = len(self._view.history.summary.metrics.evaluations)
        at = max(0, self._place(many) + by)
        self._at = at if by and at < many - 1 else None
        self.show_safely(self._view)

    def show(self, view: RunView) -> None:
        if self._view is not None and self._view.source is not view.source:
            self._at = None
        super().show(view)

    def title(self, view: RunView) -> str:
        many = len(view.history.summary.metrics.evaluations)
        if many < 2:
            return self.label
        return f"{self.label}: evaluation {self._place(many) + 1:,} of {many:,}"

    def _place(self, many: int) -> int:
        newest = max(0, many - 1)
        return newest if self._at is None else min(self._at, newest)

    def key(self, view: RunView) -> Hashable:
        evaluations = view.history.summary.metrics.evaluations
        shown = evaluations[self._place(len(evaluations)) :][:1]
        return (
            [(one.result.step, one.result.samples) for one in shown],
            len(evaluations),
            view.phase,
        )

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        evaluations = view.history.summary.metrics.evaluations
        if not evaluations:
            text = "The model's answers to held-out questions appear here after each evaluation."
            return paragraph(text, area.width, "dim")
        at = self._place(len(evaluations))
        evaluation = evaluations[at].result
        samples = samples_of(view.source.folder, evaluation)
        if not samples:
            text = f"The examples of the evaluation at step {evaluation.step:,} are missing."
            return paragraph(text, area.width, "dim")
        right = round(evaluation.exact_match * evaluation.examples)
        noun = " examples" if area.width >= WITH_NOUN else ""
        head = line(
            (f"step {evaluation.step:,}: ", "dim"),
            (f"{right:,} of {evaluation.examples:,}{noun} right", "bold"),
        )
        task = task_of(view.history.summary.config)
        lines = [area.cut(head), *sample_lines(samples, task, area)]
        if area.full and at and at not in _first_ones(view.history):
            before = evaluations[at - 1].result
            changed = flip_lines(samples, samples_of(view.source.folder, before), task, area)
            lines += [EMPTY, line((f"since step {before.step:,}", "bold")), *changed]
        return [*lines, EMPTY, line((KEYS, "dim"))] if area.full else lines


def _first_ones(history: History) -> set[int]:
    """The first evaluation of each training: the one before it was of another model."""
    return {training.evaluations for training in history.trainings}


def samples_of(folder: RunFolder, evaluation: Evaluated) -> list[Sample]:
    """The samples of an evaluation, wrong answers first; none where they can't be read."""
    path = folder.samples / Path(evaluation.samples).name  # never a file elsewhere
    try:
        samples = read_samples(path, LARGEST_BYTES)
    except OSError:
        return []
    return sorted(samples, key=lambda sample: sample.correct)


def flip_lines(
    now: Sequence[Sample], before: Sequence[Sample], task: Task | None, area: Area
) -> list[Line]:
    """The examples kept at both evaluations whose answer became wrong, or right."""
    was_right = {(sample.index, sample.input): sample.correct for sample in before}
    both = [sample for sample in now if (sample.index, sample.input) in was_right]
    lines: list[Line] = []
    for correct, title in ((False, "newly wrong"), (True, "newly right")):
        group = [
            sample
            for sample in both
            if sample.correct is correct and was_right[sample.index, sample.input] is not correct
        ]
        head = f"{title}: {len(group):,} of {count(len(both), 'example')} kept at both evaluations"
        style = "bold error" if group and not correct else "dim italic"
        lines.append(area.cut(line((head, style))))
        lines += _group(group, task, area) if group else []
    return lines


def sample_lines(samples: Sequence[Sample], task: Task | None, area: Area) -> list[Line]:
    """All samples, one line each, or two where questions are long."""
    lines: list[Line] = []
    for kind, titles in GROUPS.items():
        group = [sample for sample in samples if sample.kind == kind]
        if group:
            lines.append(line((first_fitting(area.width, *titles), "dim italic")))
            lines += _group(group, task, area)
    return lines


def _group(group: Sequence[Sample], task: Task | None, area: Area) -> list[Line]:
    questions = [line(task.human_input(each.input) if task else each.input) for each in group]
    if max(map(cells, questions)) > LONG * area.width:
        return _in_two_lines(group, questions, task, area)
    label, gap = ("right ", 2) if area.width >= WITH_LABELS else (area.glyph.arrow, 1)
    has_wrong = not all(sample.correct for sample in group)
    has_reasoning = area.width >= WITH_REASONING and any(sample.model_cot for sample in group)
    rows = []
    for sample, question in zip(group, questions, strict=True):
        row = [_mark(sample, area), question, _written(sample, task, area)]
        if has_wrong:
            right = line((label, "dim"), _answer(sample.answer, task))
            row.append(() if sample.correct else right)
        if has_reasoning:
            thought = f"reasoning {sample.model_cot}" if sample.model_cot else ""
            row.append(line((thought, "dim")))
        rows.append(row)
    return columns(rows, gap)


def _in_two_lines(
    group: Sequence[Sample], questions: Sequence[Line], task: Task | None, area: Area
) -> list[Line]:
    lines = []
    for sample, question in zip(group, questions, strict=True):
        lines.append((*_mark(sample, area), (" ", ""), *question))
        answer = (("  ", ""), *_written(sample, task, area))
        if not sample.correct:
            answer = (*answer, ("  right ", "dim"), *line(_answer(sample.answer, task)))
        lines.append(answer)
    return list(map(area.cut, lines))


def _mark(sample: Sample, area: Area) -> Line:
    glyph = area.glyph
    return line((glyph.right, "success") if sample.correct else (glyph.wrong, "bold error"))


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
    marked = zip(written, wrong_characters(written, gold), strict=True)
    return line(
        *(
            ("".join(character for character, _ in run), wrong if is_wrong else "")
            for is_wrong, run in groupby(marked, key=itemgetter(1))
        )
    )


def wrong_characters(written: str, gold: str) -> list[bool]:
    """For each written character: does it differ from the right text?

    Numbers of the same or another length are compared digit by digit from their ends, as in
    arithmetic; other texts of one length place by place, and of unlike lengths by what they share.
    """
    if written != gold and max(len(written), len(gold)) > LONGEST:
        return [True] * len(written)
    if len(written) == len(gold) or (written.isdigit() and gold.isdigit()):
        padded = gold.rjust(len(written), "\0")[-len(written) :]
        return [one != other for one, other in zip(written, padded, strict=True)]
    wrong = [True] * len(written)
    for block in SequenceMatcher(None, written, gold, autojunk=False).get_matching_blocks():
        wrong[block.a : block.a + block.size] = [False] * block.size
    return wrong
