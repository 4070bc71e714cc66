"""The removal panel: how much of the chain of thought is gone, and what goes next."""

import re
from collections.abc import Hashable, Sequence

from icot_tui.engine.journal.events import RunStarted
from icot_tui.formatting import count, rough
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.example import example_lines
from icot_tui.tui.panels.methods import run_method, training_lines, trainings_bar, trainings_done
from icot_tui.tui.panels.schedule_words import next_removal, outlook, to_full
from icot_tui.tui.panels.text import EMPTY, Line, Piece, apart, line, paragraph, text_of
from icot_tui.tui.run.view import RunView

FULL_EXAMPLE, HALF_EXAMPLE = 4, 2
"""Rows of an example with question and answer, and of its reasoning only."""
LARGE_HEADING = 4
"""Spare rows that a large heading and a thick bar need."""


class RemovalPanel(TextPanel):
    """Stage, bar of tokens, a real example, and the schedule ahead; or what a method does else."""

    label = "removal"

    def title(self, view: RunView) -> str:
        return run_method(view.history.summary).panels.get("removal", self.label)

    def key(self, view: RunView) -> Hashable:
        return view.history.version, view.status, view.phase

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        facts = view.history.summary.facts
        if facts is None:
            return waiting(view, area)
        method = run_method(view.history.summary)
        if method.panels.get("removal") == "trainings":
            return _trainings(view, facts, area)
        return (_stepwise if method.removes_tokens else _other)(view, facts, area)


def waiting(view: RunView, area: Area) -> list[Line]:
    """Before the run has begun."""
    what = f"Getting ready: {view.phase}." if view.phase else "Getting ready."
    promise = run_method(view.history.summary).promise
    told = paragraph(f"Here {promise}.", area.width, "dim") if promise else []
    return [*paragraph(what, area.width, "bold"), *told]


def _stepwise(view: RunView, facts: RunStarted, area: Area) -> list[Line]:
    stage = view.history.summary.removed_tokens
    head = [_heading(stage, facts.max_cot_tokens, area), _bar(stage, facts.max_cot_tokens, area)]
    return _arranged(view, area, head, _ahead(view, facts, area), stage)


def _other(view: RunView, facts: RunStarted, area: Area) -> list[Line]:
    """A method that removes nothing step by step."""
    summary, most = view.history.summary, facts.max_cot_tokens
    method = run_method(summary)
    removed = 0 if method.writes_cot else most
    head = [line((facts.method, "bold primary")), _bar(removed, most, area, marks_next=False)]
    texts = (text.format(most=count(most, "token")) for text in method.texts)
    told = [paragraph(text, area.width) for text in texts]
    if summary.ended is not None:
        ended = paragraph(f"The run has ended: {summary.ended.reason}.", area.width)
        told = [[*told[0], *ended], ended, *told[1:]]
    return _arranged(view, area, head, told, removed, marks_next=False)


def _trainings(view: RunView, facts: RunStarted, area: Area) -> list[Line]:
    """A run of several trainings: all of them, before anything else."""
    history, summary = view.history, view.history.summary
    phase, rows = summary.metrics.phase, training_lines(view, area)
    aside = "" if phase is None else f"training {phase.number} of {phase.phases}"
    title = line((facts.method, "bold primary"))
    heading = apart(title, line((aside, "dim")), area.width)
    room = area.height - len(rows) - 2
    if room < 0 or phase is None:
        first = min(trainings_done(summary), max(0, len(rows) + 1 - area.height))
        return [heading, *rows[first:]][: area.height]
    text = f"Now {phase.title}."
    if summary.ended is not None:
        text = f"The run has ended: {summary.ended.reason}."
    words = paragraph(text, area.width)
    words, room = (words, room - len(words)) if len(words) <= room else ([], 0)
    example: list[Line] = []
    if room > FULL_EXAMPLE and history.example is not None:
        removed = 0 if phase.phase == "teacher" else facts.max_cot_tokens
        example = example_lines(
            history.example, removed, summary.config, area, FULL_EXAMPLE, marks_next=False
        )
    return _spread([heading, trainings_bar(summary, area)], [rows, words, example], area)


def _arranged(
    view: RunView,
    area: Area,
    head: list[Line],
    texts: list[list[Line]],
    stage: int,
    marks_next: bool = True,
) -> list[Line]:
    """Heading, example and schedule, with empty lines between them where there is room.

    Args:
        texts: about the schedule, the longest version first.
        marks_next: mark the token of the example that goes next.
    """
    if area.height <= len(head):
        return head[: area.height]
    room = area.height - len(head)
    example, config = view.history.example, view.history.summary.config
    needed = [*([FULL_EXAMPLE] * (len(texts) - 2)), HALF_EXAMPLE, 1]
    words = next(
        (each for each, rows in zip(texts, needed, strict=False) if len(each) + rows <= room),
        texts[-1],
    )
    shown = []
    if example is not None and room > len(words):
        rows = room - len(words)
        shown = example_lines(example, stage, config, area, rows, marks_next)
    return _spread(head, [shown, words[:room]], area)


def _spread(head: list[Line], blocks: list[list[Line]], area: Area) -> list[Line]:
    """The blocks below each other; spare rows make the heading large and separate them."""
    blocks = [block for block in blocks if block]
    spare = area.height - len(head) - sum(map(len, blocks)) - len(blocks)
    lines = list(head)
    if spare >= LARGE_HEADING and area.width >= 40:
        large = large_heading(text_of(head[0]), area)
        lines = [*large, EMPTY, head[1], head[1]] if large else lines
    elif spare >= 2:
        lines = [head[0], EMPTY, head[1]]
    spare = area.height - len(lines) - sum(map(len, blocks))
    for block in blocks:
        if spare > 0:
            lines.append(EMPTY)
            spare -= 1
        lines += block
    return lines


def _heading(stage: int, most: int, area: Area) -> Line:
    title = line((f"stage {stage:,} of {most:,}", "bold primary"))
    if stage >= most:
        return apart(title, line((f"{area.glyph.done} all removed", "bold success")), area.width)
    left = f"{count(most - stage, 'token')} left to remove"
    return apart(title, line((left, "dim")), area.width)


def _bar(stage: int, most: int, area: Area, marks_next: bool = True) -> Line:
    """All tokens: removed ones faint, the next one marked, the remaining ones solid."""
    if most <= 0:
        return line(("this run's examples have no chain of thought", "dim"))
    gone = stage * area.width // most
    following = 0
    if stage < most and marks_next:  # with more tokens than cells at least one cell is marked
        gone = min(gone, area.width - 1)
        following = max(1, (stage + 1) * area.width // most - gone)
    glyph = area.glyph
    pieces: list[Piece] = [
        (glyph.removed * gone, "success" if stage >= most else "dim"),
        (glyph.next * following, "bold warning"),
        (glyph.remaining * (area.width - gone - following), "primary"),
    ]
    return tuple(piece for piece in pieces if piece[0])


def _ahead(view: RunView, facts: RunStarted, area: Area) -> list[list[Line]]:
    """The next removals and the time until full internalization; the longest version first."""
    summary, width = view.history.summary, area.width
    if summary.removed_tokens >= facts.max_cot_tokens:
        return _celebration(view, facts, area)
    if summary.ended is not None:
        text = f"The run has ended at this stage: {summary.ended.reason}."
        return [paragraph(text, width), paragraph("the run has ended", width)]
    ahead = next_removal(view.history, facts)
    style = "bold warning" if ahead.held else ""
    forecast = None if ahead.held or summary.paused else to_full(summary)
    full: list[Line] = []
    if forecast is not None:
        steps, seconds = forecast
        about = count(steps, "step") if seconds is None else f"about {rough(max(1.0, seconds))}"
        full = paragraph(f"Fully internalized in {about} at this pace.", width, "dim")
    if summary.paused is not None:
        full = paragraph(f"Paused: {summary.paused}.", width, "bold warning")
    long, short = paragraph(ahead.sentence, width, style), paragraph(ahead.short, width, style)
    further = [] if ahead.held else paragraph(outlook(summary), width, "dim")
    return [[*long, *further, *full], [*long, *full], long, short]


def _celebration(view: RunView, facts: RunStarted, area: Area) -> list[list[Line]]:
    since = view.history.summary.metrics.everything_removed_at
    when = "" if since is None else f" since step {since:,}"
    style, width = "bold success", area.width
    first = paragraph(f"Fully internalized{when}.", width, style)
    tokens = count(facts.max_cot_tokens, "token")
    text = f"All {tokens} of reasoning are gone: the model answers straight from the question."
    return [first + paragraph(text, width), first, paragraph(f"internalized{when}", width, style)]


ROWS = (
    "┏━┓ ╺┓  ╺━┓ ╺━┓ ╻ ╻ ┏━╸ ┏━╸ ╺━┓ ┏━┓ ┏━┓",
    "┃ ┃  ┃  ┏━┛  ━┫ ┗━┫ ┗━┓ ┣━┓   ┃ ┣━┫ ┗━┫",
    "┗━┛ ╺┻╸ ┗━╸ ╺━┛   ╹ ╺━┛ ┗━┛   ╹ ┗━┛ ╺━┛",
)
"""The digits 0 to 9, four cells each."""


def large_heading(text: str, area: Area) -> list[Line]:
    """`stage 3 of 8   5 tokens left` with large numbers before the blanks; empty in ASCII.

    Words are on the middle row; what follows two or more blanks stays small, at the right.
    """
    if area.ascii:
        return []
    title, _, rest = text.partition("  ")
    lines = []
    for row in range(3):
        pieces: list[str | Piece] = []
        used = 0
        for part in re.findall(r"[0-9]|[^0-9]+", title.replace(",", "")):
            shown = _digit(part, row) if part.isdigit() else part if row == 1 else " " * len(part)
            pieces.append((shown, "bold primary"))
            used += len(shown)
        rest_shown = rest.strip() if row == 1 else ""
        if rest_shown and used + len(rest_shown) + 2 <= area.width:
            style = "bold success" if rest_shown.startswith(area.glyph.done) else "dim"
            pieces += [" " * (area.width - used - len(rest_shown)), (rest_shown, style)]
        lines.append(line(*pieces))
    return lines


def _digit(digit: str, row: int) -> str:
    begin = 4 * int(digit)
    return ROWS[row][begin : begin + 3]
