"""When the next token or step is removed.

Schedules are pure functions of what has happened so far: they can be tested against the published
code's traces, shown ahead of time, and resumed exactly.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from icot_tui.config import CurriculumConfig

ALL = 1 << 30
"""The stage at which everything is removed, whatever the length."""


@dataclass(frozen=True)
class StageProgress:
    """All that a schedule depends on when a step begins."""

    stage: int
    """Tokens (or steps) scheduled for removal now."""
    steps_at_stage: int
    """Optimizer steps since the last removal, steps on hold not counted."""
    smoothed_loss: float | None
    """Mean training loss over the gate's window since the last removal; None: not yet full."""
    pace: float = 1.0
    """More than 1 after a rollback: every stage lasts this many times longer."""
    mastered: int = 0
    """Where every example has a stage of its own: the one that nearly all have reached."""


class Schedule(Protocol):
    """Says at the beginning of each step which stage it belongs to."""

    @property
    def first_stage(self) -> int:
        """The stage of the first step."""

    def following(self, stage: int) -> int:
        """The stage after the next removal at this stage; the same where there is none."""

    def stage(self, now: StageProgress) -> int:
        """The stage of the step that begins now: `now.stage`, or the following one."""


@dataclass(frozen=True)
class Fixed:
    """One stage for ever: 0 is explicit CoT, ALL is No CoT."""

    first_stage: int

    def following(self, stage: int) -> int:
        return stage

    def stage(self, now: StageProgress) -> int:
        return now.stage


@dataclass(frozen=True)
class Linear:
    """One more token every `steps_per_token` steps (section 3: s(t) = delta t / T)."""

    steps_per_token: int
    warmup_steps: int = 0
    first_stage: int = 0

    def following(self, stage: int) -> int:
        return stage + 1

    def stage(self, now: StageProgress) -> int:
        warmup = self.warmup_steps if now.stage == self.first_stage else 0
        due = now.steps_at_stage >= warmup + self.steps_per_token * now.pace
        return self.following(now.stage) if due else now.stage


@dataclass(frozen=True)
class LossGated:
    """The next token goes when the stage is learnt, within a least and a greatest time."""

    gate_loss: float
    min_steps: int
    max_steps: int | None
    warmup_steps: int = 0
    first_stage: int = 0

    def following(self, stage: int) -> int:
        return stage + 1

    def stage(self, now: StageProgress) -> int:
        warmup = self.warmup_steps if now.stage == self.first_stage else 0
        if now.steps_at_stage < warmup + self.min_steps * now.pace:
            return now.stage
        learnt = now.smoothed_loss is not None and now.smoothed_loss < self.gate_loss
        most = math.inf if self.max_steps is None else self.max_steps
        overdue = now.steps_at_stage >= warmup + most * now.pace
        return self.following(now.stage) if learnt or overdue else now.stage


@dataclass(frozen=True)
class Stages:
    """A fixed list of (stage, steps) with rising stages; the last lasts for ever.

    A stage that is not in the list, where a command led, lasts as the one before it does.
    """

    spans: tuple[tuple[int, int], ...]

    @property
    def first_stage(self) -> int:
        return self.spans[0][0]

    def following(self, stage: int) -> int:
        return next((later for later, _ in self.spans if later > stage), stage)

    def stage(self, now: StageProgress) -> int:
        begun = (steps for stage, steps in self.spans[:-1] if stage <= now.stage)
        *_, steps = (0, *begun)
        due = now.steps_at_stage >= steps * now.pace
        return self.following(now.stage) if due else now.stage


@dataclass(frozen=True)
class Share:
    """Another schedule's clock or gate, but each removal takes a share of what is left.

    `most` is the stage at which nothing is left, so that there are about log(most) removals.
    """

    inner: "Linear | LossGated"
    share: float
    most: int

    @property
    def first_stage(self) -> int:
        return self.inner.first_stage

    def following(self, stage: int) -> int:
        return after_removal(stage, self.most, self.share)

    def stage(self, now: StageProgress) -> int:
        due = self.inner.stage(now) > now.stage
        return self.following(now.stage) if due else now.stage


@dataclass(frozen=True)
class Mastery:
    """The stage follows those of the single examples, within a least and a greatest time.

    `share` and `most` say what a removal takes, as they do in `Share`.
    """

    min_steps: int
    max_steps: int | None
    warmup_steps: int
    first_stage: int
    share: float | None
    most: int

    def following(self, stage: int) -> int:
        return after_removal(stage, self.most, self.share)

    def stage(self, now: StageProgress) -> int:
        warmup = self.warmup_steps if now.stage == self.first_stage else 0
        if now.steps_at_stage < warmup + self.min_steps * now.pace:
            return now.stage
        most = math.inf if self.max_steps is None else self.max_steps
        overdue = now.steps_at_stage >= warmup + most * now.pace
        return max(now.mastered, self.following(now.stage) if overdue else now.stage)


@dataclass(frozen=True)
class Beyond:
    """Another schedule, but everything is removed as soon as a stage is reached (39 for GSM8K)."""

    inner: Schedule
    remove_all_beyond: int

    @property
    def first_stage(self) -> int:
        return self._cut(self.inner.first_stage)

    def following(self, stage: int) -> int:
        return self._cut(self.inner.following(stage))

    def stage(self, now: StageProgress) -> int:
        return self._cut(self.inner.stage(now))

    def _cut(self, stage: int) -> int:
        return ALL if stage >= self.remove_all_beyond else stage


def build_schedule(
    config: CurriculumConfig, steps_per_epoch: int, greatest_stage: int | None = None
) -> Schedule:
    """The schedule that a config describes.

    `greatest_stage`, at which nothing is left to remove, is needed for shares and for mastery.
    """
    warmup_steps, first = round(config.warmup_epochs * steps_per_epoch), config.first_stage
    beyond, share = config.remove_all_beyond, config.remove_share
    mastery = config.schedule == "mastery"
    assert greatest_stage is not None or not (share or mastery), "what is left must be known"
    most = min(greatest_stage or 0, ALL if beyond is None else beyond)
    schedule: Schedule
    if mastery:
        least, limit = config.min_steps, config.max_steps
        schedule = Mastery(least, limit, warmup_steps, first, share, most)
    else:
        schedule = clock = _clock(config, steps_per_epoch, warmup_steps, first)
        if share is not None:
            assert isinstance(clock, Linear | LossGated), "checked with the config"
            schedule = Share(clock, share, most)
    return schedule if beyond is None else Beyond(schedule, beyond)


def _clock(
    config: CurriculumConfig, steps_per_epoch: int, warmup_steps: int, first: int
) -> "Linear | LossGated | Stages":
    """What says when, one token or one span after the other."""
    if config.schedule == "linear":  # one token every round(T / delta) steps, as published
        steps_per_token = max(1, round(steps_per_epoch / config.remove_per_epoch))
        return Linear(steps_per_token, warmup_steps, first)
    if config.schedule == "loss_gated":
        least, most = config.min_steps, config.max_steps
        return LossGated(config.gate_loss, least, most, warmup_steps, first)
    return Stages(tuple((span.stage, span.steps) for span in config.stages))


def after_removal(stage: int, most: int, share: float | None) -> int:
    """The stage after a removal of one, or of a share of what is left up to `most`."""
    return stage + max(1, 0 if share is None else round(share * (most - stage)))


def clock_of(schedule: Schedule) -> Schedule:
    """What says when a removal is due, whatever it takes."""
    while isinstance(schedule, Share | Beyond):
        schedule = schedule.inner
    return schedule


def removals(schedule: Schedule, start: int, end: int) -> list[int]:
    """The stages after each removal on schedule, from a stage until that one is reached."""
    found: list[int] = []
    while start < end and (after := schedule.following(start)) > start:
        found.append(start := after)
    return found
