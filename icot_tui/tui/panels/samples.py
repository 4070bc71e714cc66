"""The latest validation examples: questions, answers, and where they are wrong."""

from collections.abc import Hashable, Sequence

from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.example import task_of
from icot_tui.tui.panels.sample_lines import sample_lines
from icot_tui.tui.panels.text import Line, cut, line, wrapped
from icot_tui.tui.run.view import RunView
from icot_tui.watch.samples import samples_of

WITH_NOUN = 40
"""From this width on the heading says 'examples'."""


class SamplesPanel(TextPanel):
    """Right and wrong answers, with the differences marked."""

    label = "samples"

    def key(self, view: RunView) -> Hashable:
        evaluation = view.history.summary.metrics.evaluation
        return None if evaluation is None else (evaluation.step, evaluation.samples), view.phase

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        evaluation = view.history.summary.metrics.evaluation
        if evaluation is None:
            text = "The model's answers to held-out questions appear here after each evaluation."
            return wrapped(text, area.width, "dim")
        kept = samples_of(view.source.folder, evaluation)
        if kept.problem:
            text = f"The examples of the evaluation at step {evaluation.step:,} are missing."
            return wrapped(text, area.width, "dim")
        right = round(evaluation.exact_match * evaluation.examples)
        noun = " examples" if area.width >= WITH_NOUN else ""
        head = line(
            (f"step {evaluation.step:,}: ", "dim"),
            (f"{right:,} of {evaluation.examples:,}{noun} right", "bold"),
        )
        head = cut(head, area.width, area.glyph.ellipsis)
        task = task_of(view.history.summary.config)
        return [head, *sample_lines([*kept.wrong, *kept.right], task, area)]
