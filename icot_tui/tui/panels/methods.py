"""What the removal panel says of a run whose chain of thought is not removed token by token."""

from dataclasses import dataclass

from icot_tui.engine.events import RunStarted
from icot_tui.engine.summary import RunSummary
from icot_tui.tui.panels.base import Space
from icot_tui.tui.panels.text import Line, line
from icot_tui.tui.view import RunView
from icot_tui.tui.words import count

NAMES = {"No CoT": "no_cot", "Explicit CoT": "explicit_cot", "ICoT-KD": "distillation"}
"""Methods as the journal and as configs call them."""


@dataclass(frozen=True)
class Method:
    """A method in words.

    Attributes:
        title, aside: the heading and what stands at its right.
        texts: what it does, in ever fewer words.
        removed: tokens of the example that the model is not shown.
    """

    title: str
    aside: str
    texts: tuple[str, ...]
    removed: int


def method_of(summary: RunSummary, facts: RunStarted) -> str:
    """The method's name in configs."""
    if summary.config is not None:
        name: str = summary.config.method.name
        return name
    return NAMES.get(facts.method, "stepwise")


def where(summary: RunSummary) -> str:
    """How far a run is with its chain of thought, in the words of its method; empty before it."""
    facts, phase = summary.facts, summary.figures.phase
    if facts is None:
        return ""
    if phase is not None:
        return f"training {phase.number} of {phase.phases}, {_who(phase.phase)}"
    if method_of(summary, facts) == "stepwise":
        return f"stage {summary.removed_tokens} of {facts.max_cot_tokens}"
    return facts.method


def in_words(view: RunView, facts: RunStarted) -> Method:
    """A method that removes nothing step by step."""
    summary, most = view.history.summary, facts.max_cot_tokens
    name, phase = method_of(summary, facts), summary.figures.phase
    if name == "no_cot":
        text = "The model never sees a step: it answers straight from the question."
        more = f"{text} A stepwise run is measured against this."
        return Method("No CoT", "", (more, text, "no step is ever shown"), most)
    if name == "explicit_cot":
        text = f"Nothing is removed: up to {count(most, 'token')} are written before every answer."
        more = f"{text} It shows what can be reached when every step is written."
        return Method("Explicit CoT", "", (more, text, "every step is written"), 0)
    if phase is not None:
        aside = f"training {phase.number} of {phase.phases}"
        text = f"Now {phase.title}."
        removed = 0 if phase.phase == "teacher" else most
        return Method(facts.method, aside, (text, f"now {_who(phase.phase)}"), removed)
    text = "This method removes no token step by step."
    return Method(facts.method, "", (text, "no token is removed"), 0)


def trainings_bar(summary: RunSummary, space: Space) -> Line:
    """The trainings of a run of several: those that are over, the present one, those to come."""
    phase, glyph = summary.figures.phase, space.glyph
    if phase is None:
        return ()
    now = phase.phases if summary.ended is not None and summary.ended.finished else phase.number - 1
    ends = [at * space.width // phase.phases for at in range(phase.phases + 1)]
    parts = []
    for at in range(phase.phases):
        sign, style = (
            (glyph.remaining, "success") if at < now
            else (glyph.next, "bold warning") if at == now
            else (glyph.removed, "dim")
        )  # fmt: skip
        last = at == phase.phases - 1
        parts.append((sign * (ends[at + 1] - ends[at] - (not last)) + " " * (not last), style))
    return line(*parts)


def _who(phase: str) -> str:
    return "emulator and student" if phase == "coupled" else f"the {phase}"
