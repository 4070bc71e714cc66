"""What lies ahead of a run, as far as its config and its pace so far can say."""

from collections.abc import Sequence
from dataclasses import dataclass

from icot_tui.config import Phase, RunConfig, TrainConfig, method_of
from icot_tui.curriculum.schedule import (
    Linear,
    LossGated,
    Mastery,
    Schedule,
    Stages,
    build_schedule,
    clock_of,
    removals,
)
from icot_tui.engine.journal.events import RunStarted
from icot_tui.engine.journal.metrics import Metrics


@dataclass(frozen=True)
class Ahead:
    """A removal to come; `sure` when the config alone fixes its step."""

    step: int
    stage: int
    sure: bool


def last_step(config: RunConfig, facts: RunStarted, metrics: Metrics) -> int | None:
    """The step at which the recipe ends at the latest; None where that is unknown."""
    phases = method_of(config).phases(config)
    if phases[0].name:
        return _last_of_phases(phases, facts, metrics)
    train, ends = config.train, limits(config.train, facts.steps_per_epoch)
    if train.steps_after_removal is not None:
        removed_at = everything_removed_at(config, facts, metrics)
        if removed_at is None:
            _, removed_at = removal_bounds(config, facts, metrics) or (None, None)
        if removed_at is not None:
            ends.append(removed_at + train.steps_after_removal)
    return min(ends, default=None)


def may_end_earlier(config: RunConfig, facts: RunStarted, metrics: Metrics) -> bool:
    """May the run end before `last_step`, by what it learns?"""
    phases = method_of(config).phases(config)
    if any(phase.config.train.target_accuracy is not None for phase in phases):
        return True
    waits = config.train.steps_after_removal is not None
    return waits and everything_removed_at(config, facts, metrics) is None


def _last_of_phases(phases: Sequence[Phase], facts: RunStarted, metrics: Metrics) -> int | None:
    """Where the training under way began, and the steps that it and those to come take at most."""
    begun = metrics.phase
    step, first = (0, 1) if begun is None else (begun.step, begun.number)
    for phase in phases[first - 1 :]:
        lasts = steps_of_phase(phase, facts)
        if lasts is None:
            return None
        step += lasts
    return step


def steps_of_phase(phase: Phase, facts: RunStarted) -> int | None:
    """The steps that a training of several takes at most; None where that is unknown."""
    train = phase.config.train
    return min(limits(train, facts.train_examples // train.batch_size), default=None)


def limits(train: TrainConfig, steps_per_epoch: int) -> list[int]:
    """The steps at which a training ends, whatever was removed or learnt."""
    ends = [] if train.max_steps is None else [train.max_steps]
    return ends if train.epochs is None else [*ends, round(train.epochs * steps_per_epoch)]


def everything_removed_at(config: RunConfig, facts: RunStarted, metrics: Metrics) -> int | None:
    """When the last chain-of-thought token went, or will go; None where that is unknown."""
    if metrics.everything_removed_at is not None:
        return metrics.everything_removed_at
    method = method_of(config)
    if not method.removes_tokens:
        return None if method.writes_cot or method.phases(config)[0].name else 0
    earliest, latest = removal_bounds(config, facts, metrics) or (None, None)
    return earliest if earliest == latest else None


def removal_bounds(
    config: RunConfig, facts: RunStarted, metrics: Metrics
) -> tuple[int, int | None] | None:
    """The steps between which the last token will go, as the schedule alone fixes them.

    Returns:
        The first step and the last one, None without a limit; None where nothing can be said: by
        hand or after a rollback the clock of a stage was changed, a stage lasts longer than it may,
        or no token is left.
    """
    if metrics.everything_removed_at is not None or not method_of(config).removes_tokens:
        return None
    target, schedule = target_stage(config, facts), clock_of(schedule_of(config, facts))
    if isinstance(schedule, Stages):
        spans = _spans_ahead(schedule, metrics)
        step = next((step for step, stage in spans if stage >= target), None)
        return None if step is None else (step, step)
    if metrics.clock_changed:
        return None
    assert isinstance(schedule, Linear | LossGated | Mastery), "these are all that there are"
    later = max(0, removals_left(config, facts, metrics.stage) - 1)
    first = metrics.stage_since
    if metrics.stage == schedule.first_stage:
        first += schedule.warmup_steps
    if isinstance(schedule, Linear):
        least: int = schedule.steps_per_token
        most: int | None = least
    else:
        least, most = schedule.min_steps, schedule.max_steps
    at_once = isinstance(schedule, Mastery)  # examples may have risen by more than one meanwhile
    earliest = max(metrics.step, first + least) + (0 if at_once else later * least)
    if most is None:
        return earliest, None
    overdue = metrics.step > first + most
    return None if overdue else (earliest, first + most + later * most)


def removals_ahead(
    config: RunConfig, facts: RunStarted, metrics: Metrics, count: int
) -> list[Ahead]:
    """The next removals, at most `count`; none where they are unknown."""
    if metrics.everything_removed_at is not None or not method_of(config).removes_tokens:
        return []
    target, most = target_stage(config, facts), facts.greatest_stage
    schedule = schedule_of(config, facts)
    clock = clock_of(schedule)
    if isinstance(clock, Stages):
        sure, found = not metrics.clock_changed, _spans_ahead(clock, metrics)
    else:
        pace = _pace(schedule, metrics)
        if pace is None:
            return []
        first, later, sure = pace
        begin = max(metrics.step, metrics.stage_since + first)
        stages = removals(schedule, metrics.stage, target)[:count]
        found = [(begin + round(one * later), stage) for one, stage in enumerate(stages)]
    capped = [
        Ahead(max(metrics.step, step), most if stage >= target else stage, sure)
        for step, stage in found
    ]
    whole = next((at for at, ahead in enumerate(capped) if ahead.stage == most), len(capped))
    return capped[: min(count, whole + 1)]


def target_stage(config: RunConfig, facts: RunStarted) -> int:
    """The stage from which on nothing is written."""
    return min(config.curriculum.remove_all_beyond or facts.greatest_stage, facts.greatest_stage)


def removals_left(config: RunConfig, facts: RunStarted, stage: int, end: int | None = None) -> int:
    """How many removals on schedule lie between a stage and another, or the last one."""
    end = target_stage(config, facts) if end is None else end
    return len(removals(schedule_of(config, facts), stage, end))


def next_stage(config: RunConfig, facts: RunStarted, stage: int) -> int:
    """The stage after the next removal on schedule; the same where there is none."""
    following = schedule_of(config, facts).following(stage)
    return max(stage, min(following, facts.greatest_stage))


def schedule_of(config: RunConfig, facts: RunStarted) -> Schedule:
    """The schedule of a run that removes tokens step by step."""
    return build_schedule(config.curriculum, facts.steps_per_epoch, facts.greatest_stage)


def _pace(whole: Schedule, metrics: Metrics) -> tuple[int, float, bool] | None:
    """(steps that this stage lasts, that later ones last, is it sure?); None: unknown."""
    schedule = clock_of(whole)
    if not isinstance(schedule, Linear):
        return None
    here = metrics.step - metrics.stage_since
    if not metrics.clock_changed:
        warmup = schedule.warmup_steps if metrics.stage == schedule.first_stage else 0
        lasts, pace, sure = warmup + schedule.steps_per_token, float(schedule.steps_per_token), True
        overdue = here > lasts
    else:
        if len(metrics.removals) < 2:
            return None
        (from_step, from_stage), (to_step, to_stage) = metrics.removals[0], metrics.removals[-1]
        pace = (to_step - from_step) / max(1, len(removals(whole, from_stage, to_stage)))
        lasts, sure = round(pace), False
        overdue = here > 4 * pace
    return None if overdue else (lasts, pace, sure)


def _spans_ahead(schedule: Stages, metrics: Metrics) -> list[tuple[int, int]]:
    """(step, stage) of what follows the present stage in a fixed list."""
    found, step, reached = [], metrics.stage_since, False
    for stage, lasts in schedule.spans:
        if reached:
            found.append((step, stage))
        reached = reached or stage == metrics.stage
        step += lasts if reached else 0
    return found
