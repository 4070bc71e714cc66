"""What the removal panel says of a run whose chain of thought is not removed token by token."""

from dataclasses import dataclass

from icot_tui.engine.journal.events import RunStarted
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.formatting import count
from icot_tui.tui.panels.trainings import name_of
from icot_tui.tui.run.view import RunView

NAMES = {"No CoT": "no_cot", "Explicit CoT": "explicit_cot", "ICoT-KD": "distillation"}
"""Methods as the journal and as configs call them."""

PROMISES = {
    "stepwise": "you will see the chain of thought shrink, token by token, as training goes on",
    "distillation": "you will see the trainings of this run, one after another, and their results",
    "no_cot": "you will read what answering without a chain of thought means",
    "explicit_cot": "you will read what writing the whole chain of thought means",
}
"""What the panel will show once the run has begun."""


@dataclass(frozen=True)
class MethodText:
    """A method in words.

    Attributes:
        title: the heading.
        texts: what it does, in ever fewer words.
        removed: tokens of the example that the model is not shown.
    """

    title: str
    texts: tuple[str, ...]
    removed: int


def method_of(summary: RunSummary) -> str:
    """The method's name in configs, as far as is known."""
    if summary.config is not None:
        name: str = summary.config.method.name
        return name
    return "stepwise" if summary.facts is None else NAMES.get(summary.facts.method, "stepwise")


def removes(summary: RunSummary) -> bool:
    """Does the run remove tokens step by step, as far as is known?"""
    return method_of(summary) == "stepwise"


def where(summary: RunSummary) -> str:
    """How far a run is with its chain of thought, in the words of its method; empty before it."""
    facts, phase = summary.facts, summary.metrics.phase
    if facts is None:
        return ""
    if phase is not None:
        return f"{name_of(phase.phase)} ({phase.number} of {phase.phases})"
    if removes(summary):
        return f"stage {summary.removed_tokens} of {facts.max_cot_tokens}"
    return facts.method


def in_words(view: RunView, facts: RunStarted) -> MethodText:
    """A method that removes nothing step by step."""
    summary, most = view.history.summary, facts.max_cot_tokens
    name = method_of(summary)
    if name == "no_cot":
        text = "The model never sees a step: it answers straight from the question."
        more = f"{text} A stepwise run is measured against this."
        return MethodText("No CoT", (more, text, "no step is ever shown"), most)
    if name == "explicit_cot":
        text = f"Nothing is removed: up to {count(most, 'token')} are written before every answer."
        more = f"{text} It shows what can be reached when every step is written."
        return MethodText("Explicit CoT", (more, text, "every step is written"), 0)
    text = "This method removes no token step by step."
    return MethodText(facts.method, (text, "no token is removed"), 0)
