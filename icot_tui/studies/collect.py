"""Finished trials become rows of results; measurements of checkpoints are made once and kept."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from icot_tui.engine.events import QuestionsAsked
from icot_tui.errors import UserError
from icot_tui.studies.folder import StudyFolder, append_line, read_lines
from icot_tui.studies.measures import MEASURES, Facts, needs, reported
from icot_tui.studies.outcome import Outcome, read_outcome
from icot_tui.studies.plan import Plan, Trial
from icot_tui.studies.runner import Status
from icot_tui.studies.spec import MeasureName

CHECKPOINT, DATA = "tokens removed", "data"
"""Names of the further label of rows that are no whole trial."""


@dataclass(frozen=True)
class Row:
    """Values of one trial, checkpoint or data set; `note` says what is missing."""

    labels: tuple[tuple[str, str], ...]
    seed: int
    values: dict[MeasureName, float | None]
    note: str = ""


@dataclass
class Collected:
    """Everything that tables and figures are made of."""

    rows: list[Row] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By trial name."""


class Measurements:
    """Values by key, in a file of the study folder, so that each is measured once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = {line["key"]: line["value"] for line in read_lines(path) if "value" in line}

    def get(self, key: Sequence[str], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The value of a key, measured now if it never was."""
        name = "|".join(key)
        if name not in self._known:
            self._known[name] = measure()
            append_line(self._path, {"key": name, "value": self._known[name]})
        value: dict[str, Any] = self._known[name]
        return value


class Collector:
    """Reads and asks the finished trials of a study.

    Args:
        plan: the study's trials.
        folder: of the study.
        tell: called with a few words before something that takes long.
    """

    def __init__(
        self, plan: Plan, folder: StudyFolder, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._plan = plan
        self._study = plan.study.config
        self._needs = needs(self._study)
        self._kept = Measurements(folder.measured)
        self._tell = tell
        self._outcomes: dict[str, Outcome] = {}

    def collect(self, statuses: Sequence[Status]) -> Collected:
        """A row or more for each trial; one that is not finished has a note instead of values."""
        for status in statuses:
            if status.state == "finished" and status.run is not None:
                self._outcomes[status.trial.name] = read_outcome(status.run)
        collected = Collected(outcomes=self._outcomes)
        for status in statuses:
            collected.rows += self._rows(status)
        return collected

    def _rows(self, status: Status) -> Iterator[Row]:
        trial, outcome = status.trial, self._outcomes.get(status.trial.name)
        facts = Facts(trial.config, self._study.report.accurate, outcome)
        if self._needs == {"config"}:
            yield self._row(trial, facts)
        elif outcome is None:
            why = status.reason or "not finished"
            yield Row(trial.labels, trial.seed, {}, f"{status.state or 'not begun'}: {why}")
        elif outcome.asked is not None:
            yield self._prompted(trial, outcome, outcome.asked)
        elif self._study.report.per == "checkpoint":
            yield from self._by_checkpoint(trial, outcome)
        elif self._study.report.per == "data":
            yield from self._by_data(trial, outcome)
        else:
            yield self._asked(trial, outcome)

    def _asked(self, trial: Trial, outcome: Outcome) -> Row:
        """A trial's result: its best checkpoint."""
        facts = Facts(trial.config, self._study.report.accurate, outcome)
        if not self._needs & {"answers", "speed"}:
            return self._row(trial, facts)
        checkpoint = outcome.checkpoint()
        if checkpoint is None:
            return self._row(trial, facts, note=_missing(outcome))
        return self._measured(trial, outcome, checkpoint, not outcome.explicit)

    def _prompted(self, trial: Trial, outcome: Outcome, asked: QuestionsAsked) -> Row:
        """A model that was only asked: its answers are judged already, and its cost is noted."""
        right = None if outcome.best is None else outcome.best.exact_match
        facts = Facts(trial.config, self._study.report.accurate, outcome, right)
        return self._row(trial, facts, note=_cost(outcome, asked))

    def _by_checkpoint(self, trial: Trial, outcome: Outcome) -> Iterator[Row]:
        most = outcome.summary.max_cot_tokens
        for stage, checkpoint in outcome.checkpoints():
            everything = most is not None and stage >= most
            extra = ((CHECKPOINT, str(stage)),)
            yield self._measured(trial, outcome, checkpoint, everything, extra, removed=stage)

    def _by_data(self, trial: Trial, outcome: Outcome) -> Iterator[Row]:
        checkpoint = outcome.checkpoint()
        own = self._plan.study.scale(self._plan.scale).data
        for name, changes in {**self._study.data, **own}.items():
            extra = ((DATA, name),)
            if checkpoint is None:
                yield Row((*trial.labels, *extra), trial.seed, {}, _missing(outcome))
            else:
                everything = not outcome.explicit
                yield self._measured(trial, outcome, checkpoint, everything, extra, other=changes)

    def _measured(
        self,
        trial: Trial,
        outcome: Outcome,
        checkpoint: Path,
        everything: bool,
        extra: tuple[tuple[str, str], ...] = (),
        other: dict[str, Any] | None = None,
        removed: int | None = None,
    ) -> Row:
        from icot_tui.studies import checkpoints as asking

        key = [outcome.run.name, trial.digest, checkpoint.name, str(everything)]
        answered: dict[str, Any] = {}
        timed: dict[str, Any] = {}
        note = ""
        try:
            if "answers" in self._needs:
                self._tell(f"asking {trial.title} ({checkpoint.name})")
                changes = json.dumps(other or {}, sort_keys=True)
                answered = self._kept.get(
                    ["answers", *key, changes],
                    lambda: asdict(asking.ask(checkpoint, everything, other)),
                )
            if "speed" in self._needs:
                baseline = self._baseline(trial)
                self._tell(f"timing {trial.title} ({checkpoint.name})")
                timed = self._kept.get(
                    ["speed", *key, str(baseline)],
                    lambda: asdict(asking.time_it(checkpoint, everything, baseline)),
                )
        except UserError as error:
            note = str(error)
        facts = Facts(
            trial.config,
            self._study.report.accurate,
            outcome if removed is None else None,
            answered.get("exact_match"),
            answered.get("token_accuracy"),
            timed.get("examples_per_second"),
            timed.get("ratio"),
            removed,
        )
        return self._row(trial, facts, extra, note)

    def _baseline(self, trial: Trial) -> Path | None:
        """The No-CoT model of the same other values and seed, or of as many of them as can be."""
        own = dict(trial.labels)
        candidates = [
            other
            for other in self._plan.trials
            if other.config.method.name == "no_cot"
            and other.name in self._outcomes
            and other.config.data == trial.config.data
        ]
        if not candidates:
            return None

        def likeness(other: Trial) -> tuple[int, bool]:
            same = sum(own.get(axis) == value for axis, value in other.labels)
            return same, other.seed == trial.seed

        return self._outcomes[max(candidates, key=likeness).name].checkpoint()

    def _row(
        self,
        trial: Trial,
        facts: Facts,
        extra: tuple[tuple[str, str], ...] = (),
        note: str = "",
    ) -> Row:
        values = {name: MEASURES[name].of(facts) for name in reported(self._study)}
        return Row((*trial.labels, *extra), trial.seed, values, note)


def _cost(outcome: Outcome, asked: QuestionsAsked) -> str:
    """What a prompted model's figure rests on, and what it took."""
    found = outcome.summary.figures.evaluations[-1].result
    tokens = asked.prompt_tokens + asked.written_tokens
    parts = [
        f"95 % interval {found.low:.3f} to {found.high:.3f} on {asked.asked:,} questions",
        f"{asked.asked - asked.kept:,} requests and {asked.kept:,} kept replies, {tokens:,} "
        f"tokens, {asked.seconds:,.0f} s",
    ]
    if asked.unread:
        parts.append(f"{asked.unread:,} answers could not be read and count as wrong")
    if asked.asked < asked.questions and outcome.summary.ended is not None:
        parts.append(outcome.summary.ended.reason)
    return "; ".join(parts)


def _missing(outcome: Outcome) -> str:
    if not outcome.eligible:
        return "its chain of thought was never removed to the end"
    return "no checkpoint of it is left"
