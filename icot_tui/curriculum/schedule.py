"""When the next token is removed: pure functions of what has happened so far.

A schedule neither knows the model nor keeps any state, so that it can be tested against the
published code's traces, shown ahead of time, and resumed exactly.
"""

from dataclasses import dataclass
from typing import Protocol

from icot_tui.config import CurriculumConfig

ALL = 1 << 30
"""The stage at which everything is removed, whatever the length."""


@dataclass(frozen=True)
class StageProgress:
    """All that a schedule depends on when a step begins."""

    stage: int
    """Tokens scheduled for removal now."""
    steps_at_stage: int
    """Optimizer steps since the last removal, steps on hold not counted."""
    smoothed_loss: float | None
    """Mean training loss over the gate's window since the last removal; None: not yet full."""
    pace: float = 1.0
    """More than 1 after a rollback: every stage lasts so many times longer."""


class Schedule(Protocol):
    """Says at the beginning of each step which stage it belongs to."""

    @property
    def first_stage(self) -> int:
        """The stage of the first step."""
        ...

    def stage(self, now: StageProgress) -> int:
        """The stage of the step that begins now: `now.stage`, or a later one."""
        ...


@dataclass(frozen=True)
class Fixed:
    """One stage for ever: 0 is explicit CoT, ALL is No CoT."""

    first_stage: int

    def stage(self, now: StageProgress) -> int:
        return now.stage


@dataclass(frozen=True)
class Linear:
    """One more token every `steps_per_token` steps (section 3: s(t) = delta t / T)."""

    steps_per_token: int
    warmup_steps: int = 0
    first_stage: int = 0

    @classmethod
    def per_epoch(
        cls, remove_per_epoch: float, steps_per_epoch: int, warmup_epochs: float, first_stage: int
    ) -> "Linear":
        """Delta tokens an epoch, evenly: one every round(T / delta) steps, as published."""
        return cls(
            max(1, round(steps_per_epoch / remove_per_epoch)),
            round(warmup_epochs * steps_per_epoch),
            first_stage,
        )

    def stage(self, now: StageProgress) -> int:
        warmup = self.warmup_steps if now.stage == self.first_stage else 0
        due = now.steps_at_stage >= warmup + self.steps_per_token * now.pace
        return now.stage + 1 if due else now.stage


@dataclass(frozen=True)
class LossGated:
    """The next token goes when the stage is learnt, within a least and a greatest time."""

    gate_loss: float
    min_steps: int
    max_steps: int | None
    warmup_steps: int = 0
    first_stage: int = 0

    def stage(self, now: StageProgress) -> int:
        warmup = self.warmup_steps if now.stage == self.first_stage else 0
        if now.steps_at_stage < warmup + self.min_steps * now.pace:
            return now.stage
        learnt = now.smoothed_loss is not None and now.smoothed_loss < self.gate_loss
        overdue = (
            self.max_steps is not None and now.steps_at_stage >= warmup + self.max_steps * now.pace
        )
        return now.stage + 1 if learnt or overdue else now.stage


@dataclass(frozen=True)
class Stages:
    """A fixed list of (stage, steps); the last lasts for ever."""

    spans: tuple[tuple[int, int], ...]

    @property
    def first_stage(self) -> int:
        return self.spans[0][0]

    def stage(self, now: StageProgress) -> int:
        for (stage, steps), (following, _) in zip(self.spans, self.spans[1:], strict=False):
            if now.stage == stage:
                return following if now.steps_at_stage >= steps * now.pace else stage
        return now.stage


@dataclass(frozen=True)
class Beyond:
    """Another schedule, but everything is removed as soon as a stage is reached (39 for GSM8K)."""

    inner: Schedule
    remove_all_beyond: int

    @property
    def first_stage(self) -> int:
        return self._cut(self.inner.first_stage)

    def stage(self, now: StageProgress) -> int:
        return self._cut(self.inner.stage(now))

    def _cut(self, stage: int) -> int:
        return ALL if stage >= self.remove_all_beyond else stage


def build_schedule(config: CurriculumConfig, steps_per_epoch: int) -> Schedule:
    """The schedule that a config describes."""
    warmup_steps = round(config.warmup_epochs * steps_per_epoch)
    schedule: Schedule
    if config.schedule == "linear":
        schedule = Linear.per_epoch(
            config.remove_per_epoch, steps_per_epoch, config.warmup_epochs, config.first_stage
        )
    elif config.schedule == "loss_gated":
        schedule = LossGated(
            config.gate_loss, config.min_steps, config.max_steps, warmup_steps, config.first_stage
        )
    else:
        schedule = Stages(tuple((span.stage, span.steps) for span in config.stages))
    if config.remove_all_beyond is not None:
        schedule = Beyond(schedule, config.remove_all_beyond)
    return schedule
