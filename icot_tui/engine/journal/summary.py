"""A run in a few numbers, folded from its journal: what every list, line and screen shows.

`RunSummary.add` takes constant work an event, so that a view can follow a run for days. A resume
undoes what came after its checkpoint (see `rewind.Rewind`).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from icot_tui.engine.journal import events
from icot_tui.engine.journal.metrics import (
    LOSS_WINDOW,
    Evaluation,
    Metrics,
    RewindableMetrics,
    SpikeSummary,
    StepArrays,
)
from icot_tui.units import UNIT_WORDS

if TYPE_CHECKING:  # configs and schedules are imported where something is forecast
    from icot_tui.config import RunConfig
    from icot_tui.engine.journal import forecast

__all__ = ["Evaluation", "Metrics", "RunSummary", "SpikeSummary", "Status", "SummaryState"]

Status = Literal["starting", "training", "paused", "stalled", "finished", "stopped", "dead"]

PACE_WINDOW = 64  # looks at the losses that the pace is measured over
REMOVALS_WINDOW = 6  # removals that the pace of a loss-gated schedule is measured over
QUIET_SECONDS = 300.0  # silent for longer, a trainer that holds its lock may be stuck


@dataclass(frozen=True, kw_only=True)
class SummaryState:
    """A summary as plain data, to be stored, and continued with the next event.

    Marks of checkpoints are left out: no event may follow that goes back to one (`REWINDS`).
    """

    facts: events.RunStarted | None
    started: float | None
    last_event_time: float | None
    resumes: int
    paused: str | None
    ended: events.RunEnded | None
    asked: events.QuestionsAsked | None
    metrics: Metrics
    recent_lines: tuple[tuple[int, float], ...]
    recent_ends: tuple[tuple[float, int], ...]
    longest_silence: float


REWINDS = (events.RunStarted, events.RunResumed, events.RolledBack)
"""Events whose meaning depends on the checkpoints before them."""


class RunSummary:
    """What is known of a run; feed it every (time, event) of the journal in order."""

    def __init__(self, config: "RunConfig | None" = None) -> None:
        self.config = config  # for the time to go; may be missing
        self.facts: events.RunStarted | None = None
        self.started: float | None = None  # when the run began
        self.last_event_time: float | None = None
        self.resumes = 0
        self.paused: str | None = None  # why it waits; None when it does not
        self.ended: events.RunEnded | None = None  # unless it was resumed since
        self.asked: events.QuestionsAsked | None = None  # how far a prompted run is
        self._metrics = RewindableMetrics()
        self._recent_lines: deque[tuple[int, float]] = deque(maxlen=PACE_WINDOW)  # steps, seconds
        self._recent_ends: deque[tuple[float, int]] = deque(maxlen=PACE_WINDOW)  # time, step
        self._longest_silence = 0.0

    @classmethod
    def of(
        cls, pairs: Iterable[tuple[float, events.Event]], config: "RunConfig | None" = None
    ) -> "RunSummary":
        summary = cls(config)
        for time, event in pairs:
            summary.add(time, event)
        return summary

    @property
    def metrics(self) -> Metrics:
        return self._metrics.now

    @property
    def state(self) -> SummaryState:
        return SummaryState(
            facts=self.facts,
            started=self.started,
            last_event_time=self.last_event_time,
            resumes=self.resumes,
            paused=self.paused,
            ended=self.ended,
            asked=self.asked,
            metrics=self.metrics,
            recent_lines=tuple(self._recent_lines),
            recent_ends=tuple(self._recent_ends),
            longest_silence=self._longest_silence,
        )

    @classmethod
    def continuing(cls, state: SummaryState) -> "RunSummary":
        """The summary that had this state, which is taken over."""
        summary = cls()
        summary.facts, summary.started = state.facts, state.started
        summary.last_event_time, summary.resumes = state.last_event_time, state.resumes
        summary.paused, summary.ended, summary.asked = state.paused, state.ended, state.asked
        summary._metrics.now = state.metrics
        summary._recent_lines.extend(state.recent_lines)
        summary._recent_ends.extend(state.recent_ends)
        summary._longest_silence = state.longest_silence
        return summary

    # What the views ask -----------------------------------------------------------------------

    @property
    def greatest_stage(self) -> int | None:
        return None if self.facts is None else self.facts.greatest_stage

    @property
    def parameters(self) -> int | None:
        """Of the model that is trained, or of the models in the training at work; once known."""
        begun = self.facts if self.metrics.phase is None else self.metrics.phase
        return None if begun is None else begun.parameters

    @property
    def unit_word(self) -> str:
        """What a stage counts: token, or reasoning step."""
        return UNIT_WORDS["token"] if self.facts is None else self.facts.unit_word

    @property
    def removed(self) -> int:
        """The stage, at most the longest chain of thought."""
        most = self.greatest_stage
        return self.metrics.stage if most is None else min(self.metrics.stage, most)

    @property
    def steps_per_second(self) -> float | None:
        """Training steps a second lately, evaluations and pauses left out."""
        seconds = sum(seconds for _, seconds in self._recent_lines)
        return sum(steps for steps, _ in self._recent_lines) / seconds if seconds > 0 else None

    def status(self, locked: bool, now: float, since: float = 0.0) -> Status:
        """What the run does, given whether a trainer holds its lock, and since when (0: unknown).

        A trainer that has said nothing yet is starting, whatever the one before it said.
        """
        if self.ended is not None and self.ended.finished:
            return "finished"
        last = self.last_event_time
        begins = locked and last is not None and last < since <= now
        if self.ended is not None and not begins:
            return "stopped"
        if not locked:
            return "dead"
        if self.facts is None or last is None:
            return "starting"
        if self.paused is not None and not begins:
            return "paused"
        patience = max(QUIET_SECONDS, 4 * self._longest_silence)
        if now - max(last, since if begins else last) > patience:
            return "stalled"
        return "starting" if begins else "training"

    def seconds_left(self) -> float | None:
        """Time to go at the recent pace, evaluations included; None where that is unknown.

        At most: see `may_end_earlier`.
        """
        end = self.last_step()
        if end is None or self.paused is not None or self.ended is not None:
            return None
        if len(self._recent_ends) < 3:
            return None
        (begin_time, begin_step), (end_time, end_step) = self._recent_ends[0], self._recent_ends[-1]
        if end_step <= begin_step or end_time <= begin_time:
            return None
        pace = (end_time - begin_time) / (end_step - begin_step)
        return max(0, end - self.metrics.step) * pace

    def pace_range(self, parts: int) -> tuple[float, float] | None:
        """Seconds that a step took in the fastest and the slowest part of the recent time.

        Evaluations are included. None before there is a look at the losses for every part.
        """
        ends = list(self._recent_ends)
        if len(ends) <= parts:
            return None
        marks = [ends[at * (len(ends) - 1) // parts] for at in range(parts + 1)]
        paces = [
            (time - before) / (step - earlier)
            for (before, earlier), (time, step) in pairwise(marks)
            if step > earlier and time > before
        ]
        return (min(paces), max(paces)) if paces else None

    def last_step(self) -> int | None:
        if self.config is None or self.facts is None:
            return None
        from icot_tui.engine.journal import forecast

        return forecast.last_step(self.config, self.facts, self.metrics)

    def may_end_earlier(self) -> bool:
        """May the run end before `last_step`, by what it learns?"""
        if self.config is None or self.facts is None:
            return False
        from icot_tui.engine.journal import forecast

        return forecast.may_end_earlier(self.config, self.facts, self.metrics)

    def everything_removed_at(self) -> int | None:
        if self.config is None or self.facts is None:
            return self.metrics.everything_removed_at
        from icot_tui.engine.journal import forecast

        return forecast.everything_removed_at(self.config, self.facts, self.metrics)

    def removal_bounds(self) -> tuple[int, int | None] | None:
        if self.config is None or self.facts is None:
            return None
        from icot_tui.engine.journal import forecast

        return forecast.removal_bounds(self.config, self.facts, self.metrics)

    def next_stage(self) -> int:
        """The stage after the next removal on schedule; one more where the config is missing."""
        if self.config is None or self.facts is None:
            return self.removed + 1
        from icot_tui.engine.journal import forecast

        return forecast.next_stage(self.config, self.facts, self.removed)

    def removals_ahead(self, count: int) -> "list[forecast.Ahead]":
        if self.config is None or self.facts is None:
            return []
        from icot_tui.engine.journal import forecast

        return forecast.removals_ahead(self.config, self.facts, self.metrics, count)

    # Folding ----------------------------------------------------------------------------------

    def add(self, time: float, event: events.Event) -> None:
        """Take note of the next event."""
        begins = isinstance(event, events.RunStarted | events.RunResumed)
        if self.last_event_time is not None and self.paused is None and not begins:
            self._longest_silence = max(self._longest_silence, time - self.last_event_time)
        self.last_event_time = time
        self._metrics.rewind.before(event)
        self._take_in(time, event)
        self._metrics.rewind.after(event)

    def _take_in(self, time: float, event: events.Event) -> None:
        metrics = self.metrics
        metrics.step = event.step
        match event:
            case events.RunStarted():
                self.facts = event
                self.started = time if self.started is None else self.started
                self._begin()
            case events.RunResumed():
                self.resumes += 1
                self._begin()
            case events.PhaseBegan():  # another model, another loss: the best so far says nothing
                metrics.phase, metrics.losses, metrics.loss_parts = event, (), {}
                metrics.best_so_far, metrics.best_step = (False, -1.0), None
                metrics.step_flops = None
            case events.StepsTrained():
                finite = tuple(loss for loss in event.losses if loss is not None)
                self._count(event, finite, event.learning_rate, [event.seconds])
                metrics.count_flops(len(event.losses))
                metrics.loss_parts = event.loss_parts
                self._recent_lines.append((len(event.losses), event.seconds))
                self._recent_ends.append((time, event.step))
            case events.TokenRemoved():
                metrics.removals = (*metrics.removals, (event.step, event.stage))[-REMOVALS_WINDOW:]
                self._move_to(event.stage, event.everything)
            case events.ComputeCounted():
                metrics.step_flops = event.flops
            case events.NextTokensProbed():
                metrics.probed.append(event)
            case events.ExamplesCounted():
                metrics.counted = event
            case events.OptimizerReset():
                metrics.resets += 1
            case events.LossSpike():
                metrics.spikes.append(
                    SpikeSummary(
                        number=event.spike,
                        step=event.step,
                        removal=event.removal,
                        baseline=event.baseline,
                        loss=event.loss,
                    )
                )
            case events.SpikeRecovered() | events.Collapsed():
                self._metrics.close_spike(event)
            case events.UpdatesSkipped():
                metrics.skipped_updates += event.skipped
            case events.Evaluated():
                metrics.evaluations.append(Evaluation(time, event, metrics.seconds, metrics.phase))
                metrics.abandoned = False
                if (event.implicit, event.exact_match) > metrics.best_so_far:
                    metrics.best_so_far = event.implicit, event.exact_match
                    metrics.best_step, metrics.best_stage = event.step, event.stage
            case events.QuestionsAsked():
                self.asked = event
            case events.CheckpointSaved():
                metrics.checkpoint = event.path
            case events.RolledBack():
                self._roll_back(event)
            case events.CommandDone(held=bool(held)):
                metrics.clock_changed, metrics.held = True, held
            case events.CommandDone(done=True, command="set-delta"):
                metrics.clock_changed = True
            case events.Paused():
                self.paused = event.reason
            case events.Unpaused():
                self.paused = None
                self._recent_ends.clear()
            case events.RunEnded():
                self.ended = event
                self.paused = None

    def add_lines(self, lines: StepArrays) -> None:
        """Take note of many lines in a row: what `add` makes of each of them, much faster."""
        times = lines.times
        if self.paused is None:
            before = times[0] if self.last_event_time is None else self.last_event_time
            silence = float(np.diff(times, prepend=before).max())
            self._longest_silence = max(self._longest_silence, silence)
        self.last_event_time = float(times[-1])
        self.metrics.step = int(lines.steps[-1])
        seconds = lines.seconds.tolist()
        self._count(lines, lines.last_losses, float(lines.learning_rates[-1]), seconds)
        self.metrics.count_flops(self.metrics.step - lines.first + 1)
        self.metrics.loss_parts = lines.last_parts
        last = slice(-PACE_WINDOW, None)
        ends = lines.steps[-PACE_WINDOW - 1 :]
        if len(ends) <= PACE_WINDOW:
            ends = np.concatenate([[lines.first - 1], ends])
        counts = (ends[1:] - ends[:-1]).tolist()
        self._recent_lines.extend(zip(counts, seconds[last], strict=True))
        self._recent_ends.extend(zip(times[last].tolist(), ends[1:].tolist(), strict=True))

    def _begin(self) -> None:
        """A trainer is at work from here on."""
        self.ended = self.paused = None
        self._recent_lines.clear()
        self._recent_ends.clear()

    def _count(
        self,
        lines: events.StepsTrained | StepArrays,
        losses: tuple[float, ...],
        learning_rate: float,
        seconds: Sequence[float],
    ) -> None:
        metrics = self.metrics
        metrics.losses = (*metrics.losses, *losses)[-LOSS_WINDOW:]
        metrics.learning_rate = learning_rate
        # One by one, for the same rounding in bulk and line by line.
        *_, metrics.seconds = accumulate(seconds, initial=metrics.seconds)
        metrics.supervised_tokens += lines.supervised_tokens
        metrics.dropped_rows += lines.dropped_rows
        if lines.stage != metrics.stage:  # a method that does not start at 0
            self._move_to(lines.stage, self._is_everything(lines.stage), since=lines.first - 1)
        metrics.gated_loss = lines.gated_loss

    def _move_to(self, stage: int, everything: bool, since: int | None = None) -> None:
        metrics = self.metrics
        metrics.stage, metrics.gated_loss = stage, None
        metrics.stage_since = metrics.step if since is None else since
        if not everything:
            metrics.everything_removed_at = None
        elif metrics.everything_removed_at is None:
            metrics.held = False
            metrics.everything_removed_at = metrics.stage_since
            metrics.internalized = metrics.stage_since, metrics.seconds

    def _roll_back(self, event: events.RolledBack) -> None:
        """Weights and curriculum went back; what was spent and seen stays."""
        metrics = self.metrics
        metrics.rollbacks += 1
        metrics.removals, metrics.losses, metrics.loss_parts = (), (), {}
        metrics.clock_changed = True
        metrics.abandoned, metrics.counted = True, None
        metrics.held = self._metrics.held_at(event.checkpoint)
        self._move_to(event.stage, self._is_everything(event.stage))

    def _is_everything(self, stage: int) -> bool:
        return self.facts is not None and stage >= self.facts.greatest_stage
