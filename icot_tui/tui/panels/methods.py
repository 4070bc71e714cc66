"""What the screen says of a run's method."""

from icot_tui.config import MethodConfig, MethodDescription, known_methods, method_of
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.tui.panels.trainings import name_of


def run_method(summary: RunSummary) -> MethodDescription:
    """The run's method, as far as is known; the default one where nothing is."""
    if summary.config is not None:
        return method_of(summary.config)
    methods, facts = known_methods(), summary.facts
    titled = (m for m in methods.values() if facts is not None and m.title == facts.method)
    return next(titled, methods[MethodConfig().name])


def removes(summary: RunSummary) -> bool:
    """Does the run remove tokens step by step, as far as is known?"""
    return run_method(summary).removes_tokens


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
