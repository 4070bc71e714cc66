"""What studies report of a trial: each measure's title, format and source.

A measure needs the config alone, or the run's journal, or a measurement of its checkpoint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from icot_tui.config import RunConfig
from icot_tui.curriculum.smoothing import offset_distribution
from icot_tui.engine.journal.metrics import Metrics
from icot_tui.studies.outcome import Outcome
from icot_tui.studies.spec import MeasureName, StudyConfig

Needs = Literal["config", "journal", "answers", "ood", "speed"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one row; `measured` by the names of measures of its checkpoint."""

    config: RunConfig
    accurate: float = 0.9
    outcome: Outcome | None = None
    measured: Mapping[str, float | None] = field(default_factory=dict)
    removed: int | None = None


@dataclass(frozen=True)
class Measure:
    """One column; `of` gives its value for a trial, or None where it has none."""

    title: str
    pattern: str
    needs: Needs
    of: Callable[[Facts], float | None]

    def text(self, value: float | None) -> str:
        return "–" if value is None else self.pattern.format(value)


def _asked(name: MeasureName) -> Callable[[Facts], float | None]:
    return lambda facts: facts.measured.get(name)


def _journal(of: Callable[[Outcome], float | None]) -> Callable[[Facts], float | None]:
    return lambda facts: None if facts.outcome is None else of(facts.outcome)


def _metric(of: Callable[[Metrics], float | None]) -> Callable[[Facts], float | None]:
    return _journal(lambda outcome: of(outcome.summary.metrics))


def _no_offset(facts: Facts) -> float:
    return float(offset_distribution(facts.config.curriculum.smoothing)[0])


def _mean_offset(facts: Facts) -> float:
    probabilities = offset_distribution(facts.config.curriculum.smoothing)
    return float(probabilities @ np.arange(len(probabilities)))


def _internalized(facts: Facts) -> float | None:
    """Most tokens removed at an evaluation that was still accurate enough."""
    if facts.outcome is None or facts.outcome.explicit:
        return None
    right = [p.removed for p in facts.outcome.points if p.exact_match >= facts.accurate]
    return float(max(right, default=0))


def _removed_all_at(outcome: Outcome) -> tuple[float | None, float | None]:
    return outcome.internalized_at or (None, None)


def _final(outcome: Outcome) -> float | None:
    return outcome.eligible[-1].exact_match if outcome.eligible else None


MEASURES: dict[MeasureName, Measure] = {
    "exact_match": Measure("exact match", "{:.3f}", "answers", _asked("exact_match")),
    "token_accuracy": Measure("answer tokens right", "{:.3f}", "answers", _asked("token_accuracy")),
    "validation_exact_match": Measure(
        "exact match, validation",
        "{:.3f}",
        "journal",
        _journal(lambda o: None if o.best is None else o.best.exact_match),
    ),
    "ood_exact_match": Measure(
        "exact match, out of distribution", "{:.3f}", "ood", _asked("ood_exact_match")
    ),
    "final_exact_match": Measure("exact match at the end", "{:.3f}", "journal", _journal(_final)),
    "speed": Measure("speed (No CoT = 1)", "{:.2f}", "speed", _asked("speed")),
    "examples_per_second": Measure("examples/s", "{:.1f}", "speed", _asked("examples_per_second")),
    "steps": Measure("steps", "{:,.0f}", "journal", _metric(lambda m: m.step)),
    "steps_to_internalize": Measure(
        "steps to remove all", "{:,.0f}", "journal", _journal(lambda o: _removed_all_at(o)[0])
    ),
    "flops": Measure("training FLOPs", "{:.2e}", "journal", _metric(lambda m: m.flops)),
    "seconds": Measure("seconds", "{:,.0f}", "journal", _journal(lambda o: o.seconds)),
    "seconds_to_internalize": Measure(
        "seconds to remove all", "{:,.0f}", "journal", _journal(lambda o: _removed_all_at(o)[1])
    ),
    "tokens_internalized": Measure("tokens internalized", "{:.0f}", "journal", _internalized),
    "removed_tokens": Measure(
        "tokens removed",
        "{:.0f}",
        "journal",
        lambda f: f.removed if f.outcome is None else f.outcome.summary.removed,
    ),
    "spikes": Measure("loss spikes", "{:.0f}", "journal", _metric(lambda m: len(m.spikes))),
    "resets": Measure("optimizer resets", "{:.0f}", "journal", _metric(lambda m: m.resets)),
    "no_offset": Measure("P(o = 0)", "{:.4f}", "config", _no_offset),
    "mean_offset": Measure("mean offset", "{:.4f}", "config", _mean_offset),
}


def reported(study: StudyConfig) -> list[MeasureName]:
    """The measures of table and figure, the table's first."""
    names: dict[MeasureName, None] = dict.fromkeys(study.report.measures)
    if study.report.best_of is not None:
        names["validation_exact_match"] = None
    if study.report.frontier:
        names |= {"exact_match": None, "speed": None}
    if study.plot is not None and study.plot.kind == "bars":
        names[study.plot.y] = None
    return list(names)


def needs(study: StudyConfig) -> set[Needs]:
    """What a study's table and figure need; "config" alone needs no training at all."""
    found: set[Needs] = {MEASURES[name].needs for name in reported(study)}
    if study.plot is not None and study.plot.kind == "curves":
        found.add("journal")
    return found
