"""Optimizer resets: their number, and the steps since the last one.

ICoT-KD, which has none of its own, shows its emulator's error here.
"""

from collections.abc import Hashable, Sequence

from icot_tui.engine.journal.events import ThoughtsCompared
from icot_tui.engine.journal.wording import decimal
from icot_tui.formatting import clock, count
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.methods import run_method
from icot_tui.tui.panels.stage_tables import reset_table
from icot_tui.tui.panels.text import (
    EMPTY,
    Line,
    bar,
    cells,
    columns,
    first_fitting,
    line,
    paragraph,
    wrap,
)
from icot_tui.tui.run.view import RunView
from icot_tui.watch.stages import FEW

SMALLEST_BAR, LARGEST_BAR = 3, 24


class ResetsPanel(TextPanel):
    """Number of resets, the last one with its cause, steps since."""

    label = "resets"

    def title(self, view: RunView) -> str:
        return "emulator's error" if _shows_errors(view) else self.label

    def key(self, view: RunView) -> Hashable:
        history = view.history
        if _shows_errors(view):
            return tuple((each.step, each.loss) for each in history.thoughts[-1:])
        return len(history.resets), history.summary.metrics.step, history.summary.facts is None

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        if _shows_errors(view):
            return thought_error_lines(view.history.thoughts, area)
        resets, metrics = view.history.resets, view.history.summary.metrics
        if not resets:
            return _none_yet(view, area)
        if area.full:
            return [*_overview(view, area), EMPTY, *reset_table(view, area)]
        last = resets[-1]
        since = max(0, metrics.step - last.step)
        step = f"step {last.step:,}"
        when = first_fitting(area.width - 6, f"{step}, {clock(last.time)}", step)
        what = "optimizer reset" if area.width >= 22 else "reset"
        lines = [
            line((f"{len(resets):,}", "bold primary"), f" {what}{'s' * (len(resets) != 1)}"),
            *wrap(line(("last  ", "dim"), last.cause), area.width, hang=6),
            line(("ago   ", "dim"), count(since, "step")),
            line(("at    ", "dim"), when),
        ]
        if area.height >= 5:
            word = view.history.summary.unit_word
            text = (
                "A reset clears the optimizer's moment estimates, made while the "
                f"{word} was still written."
            )
            note = paragraph(text, area.width, "dim")
            if len(lines) + len(note) < area.height:
                lines += [EMPTY, *note]
        return lines[: max(area.height, 3)]


def _overview(view: RunView, area: Area) -> list[Line]:
    resets, word = view.history.resets, view.history.summary.unit_word
    text = (
        f"{count(len(resets), 'optimizer reset')}. A reset sets the optimizer's moment estimates, "
        f"made while the {word} was still written, to zero. Losses are means of {FEW} steps, and "
        "the loss is as low again once such a mean is no higher than before. A spike ends earlier."
    )
    return paragraph(text, area.width)


def _shows_errors(view: RunView) -> bool:
    return run_method(view.history.summary).panels.get("resets") == "emulation errors"


def _none_yet(view: RunView, area: Area) -> list[Line]:
    config, word = view.history.summary.config, view.history.summary.unit_word
    if not run_method(view.history.summary).removes_tokens:
        text = "None: this method removes nothing step by step, so the optimizer keeps its state."
    elif config is not None and not config.curriculum.reset_optimizer:
        text = f"None: this run keeps the optimizer's state when a {word} is removed."
    else:
        text = f"None so far. The optimizer's state is reset with each removed {word}."
    return paragraph(text, area.width, "dim")


def thought_error_lines(thoughts: Sequence[ThoughtsCompared], area: Area) -> list[Line]:
    """The latest error of each block as a share of the largest, and the first one."""
    if not thoughts:
        text = "Once the emulator trains, its error against the teacher appears here, by block."
        return paragraph(text, area.width, "dim")
    first, last = thoughts[0].blocks, thoughts[-1].blocks
    most = max((error for error in [*first, *last] if error is not None), default=0.0) or 1.0
    numbers = [line(("now", "dim")), *(line((decimal(error), "bold")) for error in last)]
    before = [line(("first", "dim")), *(line((decimal(error), "dim")) for error in first)]
    names = [EMPTY, *(line((f"{at}", "dim")) for at in range(1, len(last) + 1))]
    beside = columns(list(zip(names, numbers, before, strict=False)), gap=1)
    room = area.width - max(map(cells, beside)) - 1
    room = max(SMALLEST_BAR, min(LARGEST_BAR, room))
    bars = [EMPTY, *(bar((error or 0.0) / most, room, area.glyph) for error in last)]
    lines = [
        line(("by block, ", "dim"), f"step {thoughts[-1].step:,}"),
        *columns(list(zip(names, bars, numbers, before, strict=False)), gap=1),
    ]
    note = paragraph("0 is the teacher's own state.", area.width, "dim")
    return [*lines, EMPTY, *note] if len(lines) + len(note) < area.height else lines
