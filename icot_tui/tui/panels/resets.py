"""Optimizer resets: their number, and the steps since the last one.

ICoT-KD, which has none of its own, shows its emulator's error here.
"""

from collections.abc import Hashable, Sequence

from icot_tui.formatting import clock, count
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.methods import run_method
from icot_tui.tui.panels.text import EMPTY, Line, cells, line, wrap, wrapped
from icot_tui.tui.panels.thought_errors import thought_error_lines
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import Reset


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
        last = resets[-1]
        since = max(0, metrics.step - last.step)
        tall = area.height >= 5
        what = "optimizer reset" if area.width >= 22 else "reset"
        lines = [
            line((f"{len(resets):,}", "bold primary"), f" {what}{'s' * (len(resets) != 1)}"),
            *wrap(line(("last  ", "dim"), last.cause), area.width, hang=6),
            line(("since ", "dim"), count(since, "step")),
            _when(last, area),
        ]
        if tall:
            text = "A reset clears AdamW's averages, which still favour the removed token."
            note = wrapped(text, area.width, "dim")
            if len(lines) + len(note) < area.height:
                lines += [EMPTY, *note]
        return lines[: max(area.height, 3)]


def _shows_errors(view: RunView) -> bool:
    return run_method(view.history.summary).panels.get("resets") == "emulation errors"


def _when(last: Reset, area: Area) -> Line:
    short = line(("at    ", "dim"), f"step {last.step:,}")
    long = (*short, (f", {clock(last.time)}", "dim"))
    return long if cells(long) <= area.width else short


def _none_yet(view: RunView, area: Area) -> list[Line]:
    config = view.history.summary.config
    if not run_method(view.history.summary).removes_tokens:
        text = "None: this method removes nothing step by step, so the optimizer keeps its state."
    elif config is not None and not config.curriculum.reset_optimizer:
        text = "None: this run keeps the optimizer's state when a token is removed."
    else:
        text = "None so far. The optimizer's state is reset with each removed token."
    return wrapped(text, area.width, "dim")
