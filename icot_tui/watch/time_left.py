"""When all tokens will be removed, and when a run will end: as ranges that can be stood behind.

Where the schedule fixes the steps, only the pace is uncertain. Where it waits for the loss, the
stages so far say how long the rest may take, within what the schedule allows. How often the truth
lies within is measured by `benchmarks/estimates.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pvariance

from icot_tui.config import Phase, RunConfig, method_of
from icot_tui.engine.journal.events import RunStarted
from icot_tui.engine.journal.forecast import limits, next_stage, removals_left, steps_of_phase
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.formatting import rough, rough_range

WIDEST = 8.0
"""A range that ends more than so many times later than it begins tells nothing, and is not told."""
STAGES = 2
"""Stages that must have passed before they say anything of the others."""
SPREAD, SPREAD_WEIGHT = 0.8, 2
"""How far stages' times are apart (deviation of logarithms), until a run's own say it."""
DEVIATIONS = 1.3
"""Standard deviations on either side that a range has."""
PACE = 1.2
"""So many times faster than at the fastest lately, or slower than at the slowest, may it go on."""
PARTS = 4
"""Parts of the recent time whose paces are compared."""

Bounds = tuple[int, int]


@dataclass(frozen=True)
class Forecast:
    """From now on, at the earliest and at the latest."""

    steps: Bounds
    seconds: tuple[float, float]


def until_all_removed(summary: RunSummary) -> Forecast | None:
    """Until nothing is written any more; None where that can't be told."""
    if summary.config is None or not _removes(summary, summary.config):
        return None
    found, limit = _removed_at(summary, summary.config), _limit(summary, summary.config)
    if found is None or (limit is not None and found[1] > limit):
        return None
    return _forecast(summary, found)


def until_end(summary: RunSummary) -> Forecast | None:
    """Until the recipe ends; None where that can't be told."""
    config, facts = summary.config, summary.facts
    if config is None or facts is None:
        return None
    phases = method_of(config).phases(config)
    if phases[0].name:
        bounds = _end_of_phases(summary, facts, phases)
    elif _removes(summary, config):
        bounds = _end_after_removals(summary, config)
    else:
        bounds = _end_now(summary, config)
    return None if bounds is None else _forecast(summary, bounds)


def at_most(summary: RunSummary) -> float | None:
    """Seconds until the end at the latest, of a run that may end earlier."""
    latest, pace = summary.last_step(), summary.pace_range(PARTS)
    if latest is None or pace is None or not summary.may_end_earlier():
        return None
    if summary.paused is not None or summary.ended is not None:
        return None
    return max(0, latest - summary.metrics.step) * pace[1] * PACE


def time_left(summary: RunSummary) -> str:
    """Until the end: `3 to 8 min`, `at most 8 min`, or nothing where nothing can be told."""
    if (found := until_end(summary)) is not None:
        return rough_range(*found.seconds)
    latest = at_most(summary)
    return "" if latest is None else f"at most {rough(latest)}"


def _end_of_phases(
    summary: RunSummary, facts: RunStarted, phases: Sequence[Phase]
) -> Bounds | None:
    begun = summary.metrics.phase
    least = most = 0 if begun is None else begun.step
    for phase in phases[0 if begun is None else begun.number - 1 :]:
        lasts = steps_of_phase(phase, facts)
        if lasts is None:
            return None
        soonest = lasts
        if phase.config.train.target_accuracy is not None:
            here = max(0, summary.metrics.step - most) if phase.number == _number(summary) else 0
            soonest = min(lasts, _evaluation_after(summary, phase.config, here))
        least, most = least + soonest, most + lasts
    return least, most


def _number(summary: RunSummary) -> int:
    return 1 if summary.metrics.phase is None else summary.metrics.phase.number


def _end_after_removals(summary: RunSummary, config: RunConfig) -> Bounds | None:
    """Of a run that has tokens left to remove."""
    train, limit = config.train, _limit(summary, config)
    wait, removed = train.steps_after_removal, _removed_at(summary, config)
    if removed is None:
        sure = wait is None and train.target_accuracy is None
        return (limit, limit) if sure and limit is not None else None
    if wait is not None:
        least, most = (at + wait if limit is None else min(at + wait, limit) for at in removed)
    elif limit is not None:
        least = most = limit
    else:
        return None
    if train.target_accuracy is not None:
        least = min(least, _evaluation_after(summary, config, removed[0]))
    return least, most


def _end_now(summary: RunSummary, config: RunConfig) -> Bounds | None:
    """Of a run that changes no more."""
    latest = summary.last_step()
    if latest is None:
        return None
    if config.train.target_accuracy is None:
        return latest, latest
    return min(latest, _evaluation_after(summary, config, summary.metrics.step)), latest


def _limit(summary: RunSummary, config: RunConfig) -> int | None:
    """The step at which it ends, whatever was removed."""
    facts = summary.facts
    return None if facts is None else min(limits(config.train, facts.steps_per_epoch), default=None)


def _removes(summary: RunSummary, config: RunConfig) -> bool:
    """Is there something left that is removed?"""
    gone = summary.metrics.everything_removed_at is not None
    return method_of(config).removes_tokens and not gone


def _removed_at(summary: RunSummary, config: RunConfig) -> Bounds | None:
    """The first and the last step at which the last token may go."""
    bounds, metrics = summary.removal_bounds(), summary.metrics
    if bounds is None or bounds[0] < metrics.step or metrics.held:
        return None
    least, most = bounds
    if least == most:
        return least, least
    low, high = _by_stages(summary, config) or (least, most)
    low, high = max(least, low), high if most is None or high is None else min(high, most)
    return None if high is None else (min(low, high), high)


def _by_stages(summary: RunSummary, config: RunConfig) -> Bounds | None:
    """The same, by how long the last stages took: the sum of so many times that are like theirs."""
    facts, metrics = summary.facts, summary.metrics
    assert facts is not None, "asked of a run that has begun"
    left = max(1, removals_left(config, facts, metrics.stage))
    removals = metrics.removals
    if removals and removals[0][1] == next_stage(config, facts, 0) and metrics.phase is None:
        removals = ((0, 0), *removals)
    lasted = [
        max(1.0, (step - before) / max(1, removals_left(config, facts, earlier, stage)))
        for (before, earlier), (step, stage) in pairwise(removals)
    ]
    if len(lasted) < STAGES:
        return None
    here, mean = metrics.step - metrics.stage_since, fmean(lasted)
    squares = SPREAD_WEIGHT * SPREAD**2 + len(lasted) * pvariance(list(map(math.log, lasted)))
    spread = squares / (SPREAD_WEIGHT + len(lasted) - 1)
    factor = math.exp(DEVIATIONS * math.sqrt(spread * (1 / left + 1 / len(lasted))))
    soonest = max(0.0, mean - here) + (left - 1) * mean
    latest = max(mean - here, min(here, mean)) + (left - 1) * mean
    return metrics.step + round(soonest / factor), metrics.step + round(latest * factor)


def _evaluation_after(summary: RunSummary, config: RunConfig, step: int) -> int:
    """The first step after that one at which a good enough result may end the training."""
    assert summary.facts is not None, "asked of a run that has begun"
    every = config.evaluation.every_steps or max(1, summary.facts.steps_per_epoch)
    return (step // every + 1) * every


def _forecast(summary: RunSummary, bounds: Bounds) -> Forecast | None:
    pace = summary.pace_range(PARTS)
    if pace is None or summary.paused is not None or summary.ended is not None:
        return None
    least, most = (max(0, at - summary.metrics.step) for at in bounds)
    seconds = least * pace[0] / PACE, most * pace[1] * PACE
    return None if seconds[1] > WIDEST * max(1.0, seconds[0]) else Forecast((least, most), seconds)
