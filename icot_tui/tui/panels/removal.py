"""The removal panel: how much of the chain of thought is gone, and what goes next."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

from icot_tui.engine.journal.events import RunStarted
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.formatting import count
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.example import example_lines
from icot_tui.tui.panels.methods import run_method, training_lines, trainings_bar, trainings_done
from icot_tui.tui.panels.schedule_words import (
    examples_by_stage,
    next_removal,
    outlook,
    readability,
    to_full,
)
from icot_tui.tui.panels.stage_tables import timeline
from icot_tui.tui.panels.text import EMPTY, Line, apart, line, paragraph, text_of
from icot_tui.tui.run.view import RunView

FULL_EXAMPLE, HALF_EXAMPLE = 4, 2
"""Rows of an example with question and answer, and of its reasoning only."""
RIGHT, FELL = 0.9, 0.1
"""Share of right answers from which a model has internalized; what it may have lost since."""
TOP = 11
"""Rows above the timeline of a full screen."""
LARGE_HEADING = 4
"""Spare rows that a large heading and a thick bar need; without colours they are hard to read."""
LARGE_DIGITS = (
    "┏━┓ ╺┓  ╺━┓ ╺━┓ ╻ ╻ ┏━╸ ┏━╸ ╺━┓ ┏━┓ ┏━┓",
    "┃ ┃  ┃  ┏━┛  ━┫ ┗━┫ ┗━┓ ┣━┓   ┃ ┣━┫ ┗━┫",
    "┗━┛ ╺┻╸ ┗━╸ ╺━┛   ╹ ╺━┛ ┗━┛   ╹ ┗━┛ ╺━┛",
)
"""The rows of the digits 0 to 9, four cells each."""


class RemovalPanel(TextPanel):
    """Stage, bar of tokens, a real example, and the schedule ahead; or what another method does."""

    label = "removal"

    def title(self, view: RunView) -> str:
        summary = view.history.summary
        method = run_method(summary)
        label = self.label
        if summary.facts is not None and method.section is not None:  # unlike plain removal
            label = f"{label}: {summary.facts.method}"
        return method.panels.get("removal", label if method.removes_tokens else "method")

    def key(self, view: RunView) -> Hashable:
        return view.history.version, view.status, view.phase

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        facts = view.history.summary.facts
        if facts is None:
            return _waiting(view, area)
        method = run_method(view.history.summary)
        if method.panels.get("removal") == "trainings":
            return _trainings(view, facts, area)
        if area.full and method.removes_tokens:
            return _full(view, facts, area)
        return (_stepwise if method.removes_tokens else _other)(view, facts, area)


def _full(view: RunView, facts: RunStarted, area: Area) -> list[Line]:
    """The usual lines, and below them every stage so far."""
    stages = timeline(view, area)
    above = min(area.height, max(TOP, area.height - len(stages) - 1))
    return [*_stepwise(view, facts, replace(area, height=above)), EMPTY, *stages]


def _waiting(view: RunView, area: Area) -> list[Line]:
    what = f"Getting ready: {view.phase}." if view.phase else "Getting ready."
    promise = run_method(view.history.summary).promise
    promised = paragraph(f"Here {promise}.", area.width, "dim") if promise else []
    return [*paragraph(what, area.width, "bold"), *promised]


class _Heading(NamedTuple):
    """A title, a remark beside it, and a bar below, where there is one."""

    title: Line
    remark: Line
    bar: Line

    def lines(self, area: Area, spare: int) -> list[Line]:
        """With large digits and a thick bar, or an empty line between, as rows are to spare."""
        first = apart(self.title, self.remark, area.width)
        if not self.bar:
            return [first]
        if spare < 2 or (area.plain and spare >= LARGE_HEADING):
            return [first, self.bar]
        if spare < LARGE_HEADING or area.width < 40:
            return [first, EMPTY, self.bar]
        return [*_large(self.title, self.remark, area), EMPTY, self.bar, self.bar]


def _large(title: Line, remark: Line, area: Area) -> list[Line]:
    """The title with digits three rows high; its words and the remark are on the middle row."""
    text, rows = text_of(title).replace(",", ""), []
    for row, digits in enumerate(LARGE_DIGITS):
        drawn = [
            digits[4 * int(each) :][:3] if each.isdecimal() else each if row == 1 else " "
            for each in text
        ]
        rows.append(line(("".join(drawn), "bold primary")))
    rows[1] = apart(rows[1], remark, area.width)
    return rows


def _stepwise(view: RunView, facts: RunStarted, area: Area) -> list[Line]:
    summary = view.history.summary
    stage, most = summary.removed, facts.greatest_stage
    title = line((f"stage {stage:,} of {most:,}", "bold primary"))
    remark = line((f"{count(most - stage, facts.unit_word)} left to remove", "dim"))
    if stage >= most:
        remark = line((f"{area.glyph.done} all removed", "bold success"))
    if instead := _instead(summary, stage, most):
        short = line((f"{count(most - stage, facts.unit)} left", "dim"))
        rests = (remark, short) if stage < most else (remark,)
        longer = (line((f"{instead}, ", "bold"), *rest) for rest in rests)
        fits = (one for one in longer if apart(title, one, area.width) != title)
        remark = next(fits, remark)
    after = summary.next_stage() if view.running else stage  # else no token is the next to go
    heading = _Heading(title, remark, _bar(stage, after, most, area))
    return _arranged(view, area, heading, _ahead(view, facts, area), (stage, after))


def _other(view: RunView, facts: RunStarted, area: Area) -> list[Line]:
    """A method that removes nothing step by step."""
    summary, most = view.history.summary, facts.greatest_stage
    method = run_method(summary)
    removed = 0 if method.writes_cot else most
    bar = _bar(0, 0, most, area) if method.writes_cot or most <= 0 else EMPTY
    texts = [
        paragraph(text.format(most=count(most, facts.unit_word)), area.width)
        for text in method.texts
    ]
    if summary.ended is not None:
        ended = paragraph(f"The run has ended: {summary.ended.reason}.", area.width)
        texts = [[*texts[0], *ended], ended, *texts[1:]]
    instead = _instead(summary, most, most)
    heading = _Heading(line((facts.method, "bold primary")), line((instead, "bold")), bar)
    return _arranged(view, area, heading, texts, (removed, removed))


def _instead(summary: RunSummary, stage: int, most: int) -> str:
    """What stands in the place of the removed tokens (or steps); empty where nothing does."""
    config = summary.config
    return "" if config is None else run_method(summary).in_place(config, stage, most)


def _trainings(view: RunView, facts: RunStarted, area: Area) -> list[Line]:
    """A run of several trainings: all of them, before anything else."""
    history, summary = view.history, view.history.summary
    phase, rows = summary.metrics.phase, training_lines(view, area)
    number = "" if phase is None else f"training {phase.number} of {phase.phases}"
    title, remark = line((facts.method, "bold primary")), line((number, "dim"))
    room = area.height - len(rows) - 2
    if room < 0 or phase is None:
        first = min(trainings_done(summary), max(0, len(rows) + 1 - area.height))
        return [apart(title, remark, area.width), *rows[first:]][: area.height]
    text = f"Now {phase.title}."
    if summary.ended is not None:
        text = f"The run has ended: {summary.ended.reason}."
    words = paragraph(text, area.width)
    words, room = (words, room - len(words)) if len(words) <= room else ([], 0)
    example: list[Line] = []
    if room > FULL_EXAMPLE and history.example is not None:
        removed = 0 if phase.phase == "teacher" else facts.greatest_stage
        example = example_lines(
            history.example, removed, summary.config, area, FULL_EXAMPLE, next_stage=removed
        )
    heading = _Heading(title, remark, trainings_bar(summary, area))
    return _spread(heading, [rows, words, example], area)


def _arranged(
    view: RunView,
    area: Area,
    heading: _Heading,
    texts: list[list[Line]],
    stages: tuple[int, int],
) -> list[Line]:
    """Heading, example and the longest of the texts about the schedule that there is room for.

    `stages` are the present one and the next.
    """
    room = area.height - 2
    if room <= 0:
        return heading.lines(area, spare=0)[: area.height]
    example, config = view.history.example, view.history.summary.config
    needed = [*([FULL_EXAMPLE] * (len(texts) - 2)), HALF_EXAMPLE, 1]
    words = next(
        (each for each, rows in zip(texts, needed, strict=False) if len(each) + rows <= room),
        texts[-1],
    )
    shown = []
    if example is not None and room > len(words):
        stage, after = stages
        shown = example_lines(example, stage, config, area, room - len(words), after)
    return _spread(heading, [shown, words[:room]], area)


def _spread(heading: _Heading, blocks: list[list[Line]], area: Area) -> list[Line]:
    """The blocks below each other; spare rows make the heading large and separate them."""
    blocks = [block for block in blocks if block]
    rows = sum(map(len, blocks))
    lines = heading.lines(area, area.height - 2 - rows - len(blocks))
    gaps = area.height - len(lines) - rows
    for at, block in enumerate(blocks):
        lines += [EMPTY, *block] if at < gaps else block
    return lines


def _bar(stage: int, after: int, most: int, area: Area) -> Line:
    """All tokens, or steps: removed ones faint, the next ones marked, the remaining ones solid."""
    if most <= 0:
        return line(("this run's examples have no chain of thought", "dim"))
    gone = stage * area.width // most
    following = 0
    if stage < after <= most:  # with more tokens than cells at least one cell is marked
        gone = min(gone, area.width - 1)
        following = max(1, after * area.width // most - gone)
    glyph = area.glyph
    return line(
        (glyph.removed * gone, "success" if stage >= most else "dim"),
        (glyph.next * following, "bold warning"),
        (glyph.remaining * (area.width - gone - following), "primary"),
    )


def _ahead(view: RunView, facts: RunStarted, area: Area) -> list[list[Line]]:
    """The next removals and the time until full internalization; the longest version first."""
    summary, width = view.history.summary, area.width
    if summary.removed >= facts.greatest_stage:
        return _celebration(view, facts, area)
    if summary.ended is not None:
        text = f"The run has ended at this stage: {summary.ended.reason}."
        return [paragraph(text, width), paragraph("the run has ended", width)]
    if view.status == "dead":
        text = "The trainer is gone: nothing is removed until the run is resumed."
        return [paragraph(text, width), paragraph("the trainer is gone", width)]
    ahead = next_removal(view.history, facts)
    style = "bold warning" if ahead.held else ""
    full = [] if ahead.held or summary.paused else paragraph(to_full(summary), width, "dim")
    if summary.paused is not None:
        full = paragraph(f"Paused: {summary.paused}.", width, "bold warning")
    long, short = paragraph(ahead.sentence, width, style), paragraph(ahead.short, width, style)
    further = [] if ahead.held else paragraph(outlook(summary), width, "dim")
    known = filter(None, (examples_by_stage(summary), readability(view.history)))
    means = paragraph(run_method(summary).texts[0], width) if _instead(summary, 1, 1) else []
    read = [row for text in known for row in paragraph(text, width, "dim")]
    longest = [[*long, *read, *further, *full], [*long, *read, *full]][: 2 if read else 1]
    explained = [[*means, *longest[0]], [*means, *long]] if means else []
    return [*explained, *longest, [*long, *full], long, short]


def _answers(view: RunView) -> bool:
    """Was the model right, with nothing written, nearly as often as ever?"""
    metrics = view.history.summary.metrics
    last, best = metrics.evaluation, metrics.best
    if last is None or best is None or not last.implicit or metrics.abandoned:
        return False
    return last.exact_match >= RIGHT and last.exact_match > best - FELL


def _celebration(view: RunView, facts: RunStarted, area: Area) -> list[list[Line]]:
    since = view.history.summary.metrics.everything_removed_at
    when = "" if since is None else f" since step {since:,}"
    gone = count(facts.greatest_stage, facts.unit_word)
    reasoning = "" if facts.unit == "step" else " of reasoning"
    summary, most = view.history.summary, facts.greatest_stage
    instead = _instead(summary, most, most)
    how = f"from the question and {instead}" if instead else "straight from the question"
    text = f"All {gone}{reasoning} are removed: the model answers {how}."
    style, width = "bold success" if _answers(view) else "bold", area.width
    first = paragraph(f"Everything removed{when}.", width, style)
    return [first + paragraph(text, width), first, paragraph(f"all removed{when}", width, style)]
