"""A run in a few numbers, folded from its journal: what every list, line and screen shows.

`RunSummary.add` takes constant work an event, so that a view can follow a run for days. A resume
undoes what came after its checkpoint, as `journal.effective` does: the figures are kept at each
checkpoint, and those of the one resumed from come back.
"""

import copy
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal

from icot_tui.config import RunConfig
from icot_tui.curriculum.schedule import Beyond, Linear, Stages, build_schedule
from icot_tui.engine.events import (
    CheckpointSaved,
    Collapsed,
    CommandDone,
    Evaluated,
    Event,
    LossSpike,
    OptimizerReset,
    Paused,
    RolledBack,
    RunEnded,
    RunResumed,
    RunStarted,
    SpikeRecovered,
    StepsTrained,
    TokenRemoved,
    Unpaused,
    UpdatesSkipped,
)

Status = Literal["starting", "training", "paused", "stalled", "finished", "stopped", "dead"]

LOSS_WINDOW = 50
"""Steps that the shown loss is averaged over."""
PACE_WINDOW = 64
"""Looks at the losses that the pace is measured over."""
REMOVALS_WINDOW = 6
"""Removals that the pace of a loss-gated schedule is measured over."""
QUIET_SECONDS = 300.0
"""A trainer that holds its lock but says nothing for longer than this may be stuck."""


@dataclass(frozen=True)
class SpikeSummary:
    """One loss spike and what became of it; `steps` and `height` are None while it is open."""

    number: int
    step: int
    removal: int | None
    baseline: float | None
    loss: float | None
    height: float | None = None
    steps: int | None = None
    collapsed: bool = False

    @property
    def open(self) -> bool:
        """Is the loss still above its baseline?"""
        return self.steps is None or self.collapsed


@dataclass(frozen=True)
class Evaluation:
    """An evaluation and when it was."""

    time: float
    result: Evaluated


@dataclass
class Figures:
    """All that a resume can undo."""

    step: int = 0
    stage: int = 0
    stage_since: int = 0
    """The step at which the stage last changed."""
    everything_removed_at: int | None = None
    """The step at which the last chain-of-thought token went; None while one is left."""
    losses: tuple[float, ...] = ()
    """Finite losses of the last steps."""
    learning_rate: float | None = None
    seconds: float = 0.0
    """Time spent training, evaluations and pauses left out."""
    supervised_tokens: int = 0
    dropped_rows: int = 0
    skipped_updates: int = 0
    resets: int = 0
    rollbacks: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)
    best_so_far: tuple[bool, float] = (False, -1.0)
    """(was everything removed, exact match) of the best evaluation."""
    best_step: int | None = None
    """The step of that evaluation."""
    spikes: list[SpikeSummary] = field(default_factory=list)
    removals: tuple[tuple[int, int], ...] = ()
    """(step, stage) of the last removals since the run began or went back."""
    checkpoint: str | None = None
    """Path of the newest checkpoint, as journaled."""
    clock_changed: bool = False
    """Was the schedule held, slowed down or changed, so that the config foretells it no more?"""

    @property
    def loss(self) -> float | None:
        """Mean over the last steps."""
        return sum(self.losses) / len(self.losses) if self.losses else None

    @property
    def best(self) -> float | None:
        """Best exact match; it starts anew once everything is removed."""
        return None if self.best_step is None else self.best_so_far[1]

    @property
    def evaluation(self) -> Evaluated | None:
        """The last one."""
        return self.evaluations[-1].result if self.evaluations else None

    @property
    def open_spikes(self) -> int:
        """Spikes that have not recovered."""
        return sum(spike.open for spike in self.spikes[-8:])

    def copy(self) -> "Figures":
        """A copy that later events leave alone."""
        twin = copy.copy(self)
        twin.evaluations, twin.spikes = list(self.evaluations), list(self.spikes)
        return twin


class RunSummary:
    """What is known of a run; feed it every (time, event) of the journal in order.

    Attributes:
        config: the run's configuration, for the time to go; may be missing.
        facts: the `RunStarted` event; None before it.
        figures: the numbers that a resume can undo.
        started: when the run began.
        last_news: when the last event was.
        resumes: how often it was resumed.
        paused: why it waits; None when it does not.
        ended: the `RunEnded` event, unless it was resumed since.
    """

    def __init__(self, config: RunConfig | None = None) -> None:
        self.config = config
        self.facts: RunStarted | None = None
        self.figures = Figures()
        self.started: float | None = None
        self.last_news: float | None = None
        self.resumes = 0
        self.paused: str | None = None
        self.ended: RunEnded | None = None
        self._at_checkpoint: dict[str, Figures] = {}
        self._looks: deque[tuple[int, float]] = deque(maxlen=PACE_WINDOW)  # steps, seconds
        self._marks: deque[tuple[float, int]] = deque(maxlen=PACE_WINDOW)  # time, step
        self._longest_silence = 0.0

    @classmethod
    def of(
        cls, events: Iterable[tuple[float, Event]], config: RunConfig | None = None
    ) -> "RunSummary":
        """The summary of all these events."""
        summary = cls(config)
        for time, event in events:
            summary.add(time, event)
        return summary

    # What the views ask -----------------------------------------------------------------------

    @property
    def max_cot_tokens(self) -> int | None:
        """Tokens of the longest chain of thought, once known."""
        return None if self.facts is None else self.facts.max_cot_tokens

    @property
    def removed_tokens(self) -> int:
        """The stage, at most the longest chain of thought."""
        most = self.max_cot_tokens
        return self.figures.stage if most is None else min(self.figures.stage, most)

    @property
    def steps_per_second(self) -> float | None:
        """Training steps a second lately, evaluations and pauses left out."""
        seconds = sum(seconds for _, seconds in self._looks)
        return sum(steps for steps, _ in self._looks) / seconds if seconds > 0 else None

    def status(self, locked: bool, now: float) -> Status:
        """What the run does, given whether a trainer holds its lock."""
        if self.ended is not None:
            return "finished" if self.ended.finished else "stopped"
        if not locked:
            return "dead"
        if self.facts is None or self.last_news is None:
            return "starting"
        if self.paused is not None:
            return "paused"
        patience = max(QUIET_SECONDS, 4 * self._longest_silence)
        return "stalled" if now - self.last_news > patience else "training"

    def seconds_left(self) -> float | None:
        """Time to go at the recent pace, evaluations included; None where nobody can know.

        A target accuracy may end the run earlier.
        """
        end = self.last_step()
        if end is None or self.paused is not None or self.ended is not None:
            return None
        if len(self._marks) < 3:
            return None
        (begin_time, begin_step), (end_time, end_step) = self._marks[0], self._marks[-1]
        if end_step <= begin_step or end_time <= begin_time:
            return None
        pace = (end_time - begin_time) / (end_step - begin_step)
        return max(0, end - self.figures.step) * pace

    def last_step(self) -> int | None:
        """The step at which the recipe ends at the latest; None where nobody can know."""
        if self.config is None or self.facts is None:
            return None
        train, limits = self.config.train, []
        if train.max_steps is not None:
            limits.append(train.max_steps)
        if train.epochs is not None:
            limits.append(round(train.epochs * self.facts.steps_per_epoch))
        if train.steps_after_removal is not None:
            removed_at = self._everything_removed_at(self.config, self.facts)
            if removed_at is not None:
                limits.append(removed_at + train.steps_after_removal)
        return min(limits, default=None)

    def _everything_removed_at(self, config: RunConfig, facts: RunStarted) -> int | None:
        """When the last chain-of-thought token went, or will go."""
        figures = self.figures
        if figures.everything_removed_at is not None:
            return figures.everything_removed_at
        if config.method.name == "explicit_cot":
            return None
        curriculum = config.curriculum
        target = min(curriculum.remove_all_beyond or facts.max_cot_tokens, facts.max_cot_tokens)
        schedule = build_schedule(curriculum, facts.steps_per_epoch)
        if isinstance(schedule, Beyond):
            schedule = schedule.inner
        here = figures.step - figures.stage_since
        if isinstance(schedule, Stages):
            wait = _wait(schedule, figures, target)
            return None if wait is None else figures.stage_since + wait
        if isinstance(schedule, Linear) and not figures.clock_changed:
            first = schedule.warmup_steps if figures.stage == schedule.first_stage else 0
            lasts, pace = first + schedule.steps_per_token, float(schedule.steps_per_token)
            overdue = here > lasts
        else:
            if len(figures.removals) < 2:
                return None
            (from_step, from_stage), (to_step, to_stage) = figures.removals[0], figures.removals[-1]
            pace = (to_step - from_step) / max(1, to_stage - from_stage)
            lasts, overdue = round(pace), here > 4 * pace
        if overdue:
            return None
        later = max(0, target - figures.stage - 1) * pace
        return max(figures.step, figures.stage_since + lasts) + round(later)

    # Folding ----------------------------------------------------------------------------------

    def add(self, time: float, event: Event) -> None:
        """Take note of the next event."""
        awaited = self.paused is None and not isinstance(event, RunStarted | RunResumed)
        if self.last_news is not None and awaited:
            self._longest_silence = max(self._longest_silence, time - self.last_news)
        self.last_news = time
        if isinstance(event, RunResumed):
            self._resume(event)
        figures = self.figures
        figures.step = event.step
        match event:
            case RunStarted():
                self._start(time, event)
            case StepsTrained():
                self._trained(time, event)
            case TokenRemoved():
                figures.removals = (*figures.removals, (event.step, event.stage))[-REMOVALS_WINDOW:]
                self._move_to(event.stage, event.everything)
            case OptimizerReset():
                figures.resets += 1
            case LossSpike():
                figures.spikes.append(
                    SpikeSummary(event.spike, event.step, event.removal, event.baseline, event.loss)
                )
            case SpikeRecovered() | Collapsed():
                self._close_spike(event)
            case UpdatesSkipped():
                figures.skipped_updates += event.skipped
            case Evaluated():
                figures.evaluations.append(Evaluation(time, event))
                if (event.implicit, event.exact_match) > figures.best_so_far:
                    figures.best_so_far = event.implicit, event.exact_match
                    figures.best_step = event.step
            case CheckpointSaved():
                figures.checkpoint = event.path
                self._at_checkpoint[_name(event.path)] = figures.copy()
            case RolledBack():
                self._roll_back(event)
            case CommandDone(done=True, command="hold" | "set-delta"):
                figures.clock_changed = True
            case Paused():
                self.paused = event.reason
            case Unpaused():
                self.paused = None
                self._marks.clear()
            case RunEnded():
                self.ended = event
                self.paused = None

    def _start(self, time: float, event: RunStarted) -> None:
        """A run begins; one that died before its first checkpoint begins anew."""
        self.facts, self.figures = event, Figures(step=event.step)
        self.started = time if self.started is None else self.started
        self.ended = self.paused = None
        self._looks.clear()
        self._marks.clear()

    def _resume(self, event: RunResumed) -> None:
        """Back to the figures at a checkpoint; one that was never journaled is the present."""
        kept = self._at_checkpoint.get(_name(event.checkpoint))
        if kept is not None:
            self.figures = kept.copy()
        self.resumes += 1
        self.ended = self.paused = None
        self._looks.clear()
        self._marks.clear()

    def _trained(self, time: float, event: StepsTrained) -> None:
        figures = self.figures
        finite = tuple(loss for loss in event.losses if loss is not None)
        figures.losses = (*figures.losses, *finite)[-LOSS_WINDOW:]
        figures.learning_rate = event.learning_rate
        figures.seconds += event.seconds
        figures.supervised_tokens += event.supervised_tokens
        figures.dropped_rows += event.dropped_rows
        if event.stage != figures.stage:  # a method that does not start at 0
            everything = self.facts is not None and event.stage >= self.facts.max_cot_tokens
            self._move_to(event.stage, everything, since=event.first - 1)
        self._looks.append((len(event.losses), event.seconds))
        self._marks.append((time, event.step))

    def _move_to(self, stage: int, everything: bool, since: int | None = None) -> None:
        figures = self.figures
        figures.stage = stage
        figures.stage_since = figures.step if since is None else since
        if not everything:
            figures.everything_removed_at = None
        elif figures.everything_removed_at is None:
            figures.everything_removed_at = figures.stage_since

    def _close_spike(self, event: SpikeRecovered | Collapsed) -> None:
        spikes = self.figures.spikes
        for index in range(len(spikes) - 1, -1, -1):
            if spikes[index].number == event.spike:
                spikes[index] = replace(
                    spikes[index],
                    height=event.height,
                    steps=event.steps,
                    collapsed=isinstance(event, Collapsed),
                )
                return

    def _roll_back(self, event: RolledBack) -> None:
        """Weights and curriculum went back; what was spent and seen stays."""
        figures = self.figures
        figures.rollbacks += 1
        figures.removals, figures.losses, figures.clock_changed = (), (), True
        most = self.max_cot_tokens
        self._move_to(event.stage, most is not None and event.stage >= most)


def _wait(schedule: Stages, figures: Figures, target: int) -> int | None:
    """Steps from the present stage's beginning to the target stage in a fixed list."""
    steps, reached = 0, False
    for stage, lasts in schedule.spans:
        if stage >= target and reached:
            return steps
        reached = reached or stage == figures.stage
        steps += lasts if reached else 0
    return None


def _name(checkpoint: str) -> str:
    """A checkpoint's name, whether it was journaled by name or by path."""
    return PurePath(checkpoint).name
