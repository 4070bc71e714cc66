"""The next removals in words, as far as journal and config determine them."""

from dataclasses import dataclass

import numpy as np

from icot_tui.config import RunConfig
from icot_tui.curriculum.mastery import LEFT_BEHIND
from icot_tui.curriculum.schedule import LossGated, Mastery, clock_of
from icot_tui.engine.journal.events import RunStarted
from icot_tui.engine.journal.forecast import schedule_of
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import how_many, how_readable, that_go
from icot_tui.formatting import count, listed, number, rough, rough_range, whole_percent
from icot_tui.units import NLL
from icot_tui.watch.estimates import seconds_per_step
from icot_tui.watch.history import History
from icot_tui.watch.time_left import until_all_removed

FAR = 4
"""Removals that the outlook lists."""


@dataclass(frozen=True)
class ScheduleText:
    """The schedule's next removal: as a sentence, and in few words that fit anywhere."""

    sentence: str
    short: str
    held: bool = False


def next_removal(history: History, facts: RunStarted) -> ScheduleText:
    """The next removal of a run that removes tokens step by step and has some left."""
    summary = history.summary
    config = summary.config
    if summary.metrics.held:
        stage = summary.removed
        text = f"The schedule is held at stage {stage}: no removals until it is released."
        return ScheduleText(text, "schedule held", held=True)
    if config is None:
        text = "The next removal is unknown: the run's config.toml is missing."
        return ScheduleText(text, "schedule unknown")
    schedule = clock_of(schedule_of(config, facts))
    if isinstance(schedule, LossGated):
        return _gated(schedule, history, config)
    if isinstance(schedule, Mastery):
        return _mastery(schedule, summary)
    ahead = summary.removals_ahead(1)
    if not ahead:
        if config.curriculum.schedule == "stages":
            text = "The list of stages has ended: no more removals."
            return ScheduleText(text, "no more removals")
        return ScheduleText(f"The next {summary.unit_word} goes on schedule.", "next on schedule")
    steps, subject = ahead[0].step - summary.metrics.step, _subject(summary, ahead[0].stage)
    pace = "" if ahead[0].sure else " at the recent pace: the schedule was changed"
    return ScheduleText(f"{subject} {_in(steps, summary)}{pace}.", f"next {_soon(steps)}")


def readability(history: History) -> str:
    """How well what goes next is read before it is written, or else what went last; or nothing."""
    stage = history.summary.metrics.stage
    for event in reversed(history.summary.metrics.probed[-2:]):
        if event.readable is not None and stage in (event.before, event.stage):
            what = that_go(event)
            when = f"next to go, at step {event.step:,}" if event.before == stage else "gone"
            said = f"readable before being written {how_readable(event)}"
            return f"{what[0].upper()}{what[1:]}, {when}: {said}."
    return ""


def examples_by_stage(summary: RunSummary) -> str:
    """How many examples are at each stage, where every one has its own; empty elsewhere."""
    counted = summary.metrics.counted
    if counted is None:
        return ""
    return f"Examples by {summary.unit_word}s removed: {how_many(counted)}."


def outlook(summary: RunSummary) -> str:
    """The removals after the next one; empty if unknown."""
    ahead = summary.removals_ahead(FAR + 1)[1:]
    if not ahead:
        return ""
    about = "at" if all(removal.sure for removal in ahead) else "at about"
    named = listed([f"{removal.step:,}" for removal in ahead])
    return f"After it, removals {about} {'steps' if len(ahead) > 1 else 'step'} {named}."


def to_full(summary: RunSummary) -> str:
    """When everything will be removed: a range, or else the earliest that the schedule allows."""
    bounds = None if summary.ended is not None else summary.removal_bounds()
    if bounds is None or bounds[0] <= summary.metrics.step:
        return ""
    found = until_all_removed(summary)
    if found is None:
        earliest = _in(bounds[0] - summary.metrics.step, summary)
        return f"Everything is removed {earliest} at the earliest."
    (least, most), time = found.steps, rough_range(*found.seconds)
    steps = count(most, "step") if least == most else f"{least:,} to {count(most, 'step')}"
    return f"Everything is removed in {steps} ({time})."


def smoothed_loss(history: History, window: int) -> float | None:
    """Mean loss of the last steps: at most a window, and none before the last removal."""
    metrics = history.summary.metrics
    steps = min(window, metrics.step - metrics.stage_since, len(history.losses))
    if steps <= 0:
        return None
    losses = history.losses.values()[-steps:]
    finite = losses[np.isfinite(losses)]
    return float(finite.mean()) if len(finite) else None


def _mastery(schedule: Mastery, summary: RunSummary) -> ScheduleText:
    """Every example loses a token when it is learnt; the run's stage follows."""
    metrics, share = summary.metrics, whole_percent(1 - LEFT_BEHIND)
    sentence = f"The stage rises when {share} of the examples, each learnt by itself, are beyond it"
    short = f"next when {share} are beyond"
    if metrics.clock_changed:
        return ScheduleText(f"{sentence}.", short)
    warmup = schedule.warmup_steps if metrics.stage == schedule.first_stage else 0
    here = metrics.step - metrics.stage_since
    earliest = warmup + schedule.min_steps - here
    if earliest > 0:
        return ScheduleText(f"{sentence}, {_soon(earliest)} at the earliest.", short)
    if schedule.max_steps is not None:
        after = _in(warmup + schedule.max_steps - here, summary, "after", about="")
        return ScheduleText(f"{sentence}, or {after}.", short)
    return ScheduleText(f"{sentence}.", short)


def _gated(schedule: LossGated, history: History, config: RunConfig) -> ScheduleText:
    summary, metrics = history.summary, history.summary.metrics
    per_example = config.curriculum.gate_per == "example"
    at_stage = config.curriculum.gate_rows == "scheduled"
    loss = NLL if NLL in history.lines.parts else "loss"  # of several parts the tokens' own alone
    told = loss != NLL and not per_example and not at_stage
    now = metrics.gated_loss
    if now is None and told:  # the window is not full yet, or an older version trains
        now = smoothed_loss(history, config.curriculum.gate_window)
    subject = _subject(summary, summary.next_stage())
    which = f"an example's summed {loss}" if per_example else f"the {loss}"
    where = " at this stage" * at_stage
    sentence = f"{subject} when {which}{where} is below {schedule.gate_loss:g}"
    short = f"next at a {'summed ' * per_example}{loss} below {schedule.gate_loss:g}{where}"
    if now is not None:
        sentence, short = f"{sentence} (now {number(now)})", f"{short}, now {number(now)}"
    if metrics.clock_changed:
        return ScheduleText(f"{sentence}.", short)
    warmup = schedule.warmup_steps if metrics.stage == schedule.first_stage else 0
    here = metrics.step - metrics.stage_since
    earliest = warmup + schedule.min_steps - here
    if earliest > 0:
        learnt = now is not None and now < schedule.gate_loss
        text = f"{sentence}, {_soon(earliest)} at the earliest."
        return ScheduleText(text, f"next {_soon(earliest)}" if learnt else short)
    if schedule.max_steps is not None:
        after = _in(warmup + schedule.max_steps - here, summary, "after", about="")
        return ScheduleText(f"{sentence}, or {after}.", short)
    return ScheduleText(f"{sentence}.", short)


def _subject(summary: RunSummary, stage: int) -> str:
    """What is removed when the stage rises to that one."""
    most = summary.greatest_stage or 0
    left, gone = most - summary.metrics.stage, stage - summary.metrics.stage
    word = summary.unit_word
    if stage < most:
        return f"The next {word} goes" if gone == 1 else f"The next {gone} {word}s go"
    if left == 1:
        return f"The last {word} goes"
    return f"All {left} remaining {word}s go at once"


def _in(steps: int, summary: RunSummary, word: str = "in", about: str = "about ") -> str:
    """`in 312 steps (about 40 s)`."""
    if steps <= 0:
        return "with the next step"
    pace = seconds_per_step(summary)
    time = "" if pace is None or steps * pace < 1 else f" ({about}{rough(steps * pace)})"
    return f"{word} {count(steps, 'step')}{time}"


def _soon(steps: int) -> str:
    return f"in {count(steps, 'step')}" if steps > 0 else "now"
