"""Finished trials become rows of results."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icot_tui.config import method_of
from icot_tui.engine.journal.events import QuestionsAsked
from icot_tui.errors import UserError
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.measures import MEASURES, Facts, needs, reported
from icot_tui.studies.outcome import Outcome
from icot_tui.studies.plan import Labels, Plan, Trial
from icot_tui.studies.runner import TrialStatus
from icot_tui.studies.spec import MeasureName
from icot_tui.version import __version__

if TYPE_CHECKING:
    from icot_tui.studies.evaluation import MeasurementCache

CHECKPOINT, DATA = "tokens removed", "data"
"""Names of the extra label of rows that are not a whole trial."""
NO_CHECKPOINT = "none of its checkpoints is left"


@dataclass(frozen=True)
class Row:
    """Values of one trial, checkpoint or data set.

    note     why values are missing
    remark   what readers must know about its trial, which may have several rows
    bounds   95 % interval of its exact match over the questions
    device   where its speed was measured
    """

    labels: Labels
    seed: int
    values: dict[MeasureName, float | None]
    note: str = ""
    remark: str = ""
    bounds: tuple[float, float] | None = None
    device: str = ""


@dataclass
class Collected:
    """Everything that tables and figures are made of."""

    rows: list[Row] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By trial name."""


class Collector:
    """Reads and evaluates the finished trials of a study.

    An error in one trial's files or checkpoints becomes a note: the other rows took hours to train.

    `on_measure` is called with a few words before each measurement, which takes long.
    """

    def __init__(
        self, plan: Plan, folder: StudyFolder, on_measure: Callable[[str], None] = lambda text: None
    ) -> None:
        self._plan = plan
        self._study = plan.study.config
        self._needs, self._reported = needs(self._study), reported(self._study)
        self._folder = folder
        self._on_measure = on_measure
        self._outcomes: dict[str, Outcome] = {}
        self._unread: dict[str, str] = {}

    def collect(self, statuses: Sequence[TrialStatus]) -> Collected:
        """One or more rows per trial; one that is not finished has a note instead of values."""
        for status in statuses:
            if status.state == "finished" and status.run is not None:
                try:
                    self._outcomes[status.trial.name] = Outcome(status.run)
                except Exception as error:
                    self._unread[status.trial.name] = _in_words(error)
        collected = Collected(outcomes=self._outcomes)
        for status in statuses:
            collected.rows += self._rows_with_remark(status)
        return collected

    @cached_property
    def _cache(self) -> "MeasurementCache":
        from icot_tui.studies.evaluation import MeasurementCache  # needs PyTorch

        return MeasurementCache(self._folder.measured, self._on_measure)

    def _rows_with_remark(self, status: TrialStatus) -> list[Row]:
        trial, outcome = status.trial, self._outcomes.get(status.trial.name)
        try:
            rows = list(self._rows(status))
        except Exception as error:
            rows = [Row(trial.labels, trial.seed, {}, _in_words(error))]
        if outcome is None:
            return rows
        remarks = list(_training_remarks(outcome, self._reported))
        timed = "speed" in self._reported and any(row.device for row in rows)
        if timed and self._baseline(trial) is None:
            remarks.append("no No-CoT run of the same data and model to compare its speed with")
        return [replace(row, remark="; ".join(remarks)) for row in rows]

    def _rows(self, status: TrialStatus) -> Iterator[Row]:
        trial, outcome = status.trial, self._outcomes.get(status.trial.name)
        if self._needs == {"config"}:
            yield self._row(trial, outcome=outcome)
        elif outcome is None:
            why = self._unread.get(trial.name) or status.reason or "not finished"
            yield Row(trial.labels, trial.seed, {}, f"{status.state or 'not started'}: {why}")
        elif outcome.asked is not None:
            yield self._prompted(trial, outcome, outcome.asked)
        elif self._study.report.per == "checkpoint":
            yield from self._by_checkpoint(trial, outcome)
        elif self._study.report.per == "data":
            yield from self._by_data(trial, outcome)
        else:
            yield self._by_trial(trial, outcome)

    def _by_trial(self, trial: Trial, outcome: Outcome) -> Row:
        if not self._needs & {"answers", "speed"}:
            return self._row(trial, outcome=outcome)
        checkpoint = outcome.checkpoint()
        if checkpoint is None:
            return replace(self._row(trial, outcome=outcome), note=_missing(outcome))
        return self._measured_row(trial, checkpoint, not outcome.explicit, outcome=outcome)

    def _prompted(self, trial: Trial, outcome: Outcome, asked: QuestionsAsked) -> Row:
        """A prompted model: its run has scored the answers already, and its cost becomes a note."""
        right = None if outcome.best is None else outcome.best.exact_match
        row = self._row(trial, outcome=outcome, measured={"exact_match": right})
        found = outcome.summary.metrics.evaluations[-1].result
        return replace(row, note=_cost(outcome, asked), bounds=(found.low, found.high))

    def _by_checkpoint(self, trial: Trial, outcome: Outcome) -> Iterator[Row]:
        most = outcome.summary.greatest_stage
        stages, unreadable = outcome.checkpoints()
        for stage, checkpoint in stages:
            everything = most is not None and stage >= most
            extra = ((CHECKPOINT, str(stage)),)
            yield self._measured_row(trial, checkpoint, everything, extra, removed=stage)
        for name in unreadable:
            note = f"checkpoint {name} is left out: cannot read its state.json"
            yield Row(trial.labels, trial.seed, {}, note)
        if not stages and not unreadable:
            yield Row(trial.labels, trial.seed, {}, NO_CHECKPOINT)

    def _by_data(self, trial: Trial, outcome: Outcome) -> Iterator[Row]:
        checkpoint = outcome.checkpoint()
        for name, changes in self._plan.other_data.items():
            extra = ((DATA, name),)
            if checkpoint is None:
                yield Row(trial.labels + extra, trial.seed, {}, _missing(outcome))
            else:
                whole = not outcome.explicit
                yield self._measured_row(trial, checkpoint, whole, extra, changes, outcome=outcome)

    def _measured_row(
        self,
        trial: Trial,
        checkpoint: Path,
        everything: bool,
        extra: Labels = (),
        other: dict[str, Any] | None = None,
        **known: Any,
    ) -> Row:
        """A checkpoint's row: what is known of it, and what measuring it adds."""
        note, device, bounds = "", "", None
        measured: dict[str, float | None] = {}
        try:
            if "answers" in self._needs:
                found = self._cache.accuracy(trial, checkpoint, everything, other)
                measured |= {name: found[name] for name in ("exact_match", "token_accuracy")}
                bounds = found["low"], found["high"]
            if "ood" in self._needs and trial.config.data.ood_options:
                found = self._cache.accuracy(trial, checkpoint, everything, other, "ood")
                measured["ood_exact_match"] = found["exact_match"]
            if "speed" in self._needs:
                timed = self._cache.speed(trial, checkpoint, everything, self._baseline(trial))
                measured["examples_per_second"] = timed["examples_per_second"]
                measured["speed"] = timed["ratio"]
                device = timed["device"]
        except Exception as error:
            note = _in_words(error)
        row = self._row(trial, extra, measured=measured, **known)
        return replace(row, note=note, bounds=bounds, device=device)

    def _baseline(self, trial: Trial) -> Path | None:
        """The No-CoT checkpoint of the same data and model, of the same seed if possible."""
        config, own = trial.config, dict(trial.labels)

        def likeness(other: Trial) -> tuple[int, bool]:
            same = sum(own.get(axis) == value for axis, value in other.labels)
            return same, other.seed == trial.seed

        alike = [
            other
            for other in self._plan.trials
            if method_of(other.config).is_control
            and other.name in self._outcomes
            and (other.config.data, other.config.model) == (config.data, config.model)
        ]
        ordered = sorted(alike, key=likeness, reverse=True)
        found = (self._outcomes[other.name].checkpoint() for other in ordered)
        return next((checkpoint for checkpoint in found if checkpoint is not None), None)

    def _row(self, trial: Trial, extra: Labels = (), **known: Any) -> Row:
        facts = Facts(config=trial.config, accurate=self._study.report.accurate, **known)
        values = {name: MEASURES[name].of(facts) for name in self._reported}
        return Row(trial.labels + extra, trial.seed, values)


def _in_words(error: Exception) -> str:
    """An error as a note; with its type, unless it is meant for users."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def _training_remarks(outcome: Outcome, names: Sequence[MeasureName]) -> Iterator[str]:
    """What readers must know to compare a run with others."""
    if outcome.missed is not None and {"steps", "seconds"} & set(names):
        yield (
            f"it never reached an exact match of {outcome.missed:g} (train.target_accuracy): its "
            "steps and seconds are the whole budget"
        )
    others = ", ".join(version for version in outcome.versions if version != __version__)
    if others:
        yield f"trained with icot-tui {others}, measured with {__version__}"


def _cost(outcome: Outcome, asked: QuestionsAsked) -> str:
    """How many questions a prompted model's result rests on, and what it cost."""
    found = outcome.summary.metrics.evaluations[-1].result
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
    return NO_CHECKPOINT
