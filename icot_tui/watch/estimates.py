"""What can be said of a run's spikes and of what lies ahead of it, as plain data."""

from dataclasses import dataclass

import numpy as np

from icot_tui.engine.journal.summary import RunSummary, SpikeSummary
from icot_tui.watch.history import History


@dataclass(frozen=True)
class NextRemoval:
    """A removal to come.

    Attributes:
        step, stage: when, and how many tokens are gone then.
        tokens: how many go at once.
        steps, seconds: from now on; seconds None where the pace is not known.
        sure: the config alone fixes the step; otherwise it is foretold from the pace so far.
    """

    step: int
    stage: int
    tokens: int
    steps: int
    seconds: float | None
    sure: bool


@dataclass(frozen=True)
class SpikeNow:
    """A spike and what became of it.

    Attributes:
        spike: as the journal has it.
        since: steps done at the removal that made it, or when it was seen.
        outcome: "recovering", "recovered", or "collapsed".
        steps: that it took, or takes so far.
        height: peak above baseline, in nats; of an open one the highest mean of a few steps so far.
        left: the share of the height that the loss still has to fall, of an open one; else None.
    """

    spike: SpikeSummary
    since: int
    outcome: str
    steps: int
    height: float | None
    left: float | None


FEW = 10
"""Steps that the present loss is the mean of."""
FAR_BACK = 100_000
"""Steps of an open spike that are searched for its peak."""


def seconds_per_step(summary: RunSummary) -> float | None:
    """Seconds that a step takes lately, evaluations included where that is known."""
    left, end = summary.seconds_left(), summary.last_step()
    if left and end is not None and end > summary.metrics.step:
        return left / (end - summary.metrics.step)
    pace = summary.steps_per_second
    return 1 / pace if pace else None


def seconds_to_full_removal(summary: RunSummary) -> float | None:
    """Time until the last chain-of-thought token goes; 0 once it went, None if nobody can know."""
    if summary.metrics.everything_removed_at is not None:
        return 0.0
    step, pace = summary.everything_removed_at(), seconds_per_step(summary)
    if step is None or pace is None or summary.ended is not None:
        return None
    return max(0, step - summary.metrics.step) * pace


def removals_ahead(summary: RunSummary, count: int = 5) -> tuple[NextRemoval, ...]:
    """The next removals, at most so many; none where nobody can know, or the run has ended."""
    if summary.ended is not None:
        return ()
    pace, now = seconds_per_step(summary), summary.metrics.step
    found, stage = [], summary.removed_tokens
    for ahead in summary.removals_ahead(count):
        steps = max(0, ahead.step - now)
        seconds = None if pace is None else steps * pace
        tokens = max(0, ahead.stage - stage)
        found.append(NextRemoval(ahead.step, ahead.stage, tokens, steps, seconds, ahead.sure))
        stage = ahead.stage
    return tuple(found)


def spike_now(history: History, spike: SpikeSummary) -> SpikeNow:
    """What became of a spike."""
    since = _since(history, spike)
    if spike.steps is not None and not spike.collapsed:
        return SpikeNow(spike, since, "recovered", spike.steps, spike.height, None)
    now = history.summary.metrics.step
    height, left = _height_and_rest(history, spike, since)
    outcome = "collapsed" if spike.collapsed else "recovering"
    return SpikeNow(spike, since, outcome, max(0, now - since), height, left)


def _since(history: History, spike: SpikeSummary) -> int:
    """The step of the removal that made it, or else its own."""
    if spike.removal is not None:
        for removal in reversed(history.removals):
            if removal.step <= spike.step and removal.stage <= spike.removal:
                return removal.step if removal.stage == spike.removal else spike.step
    return spike.step


def _height_and_rest(
    history: History, spike: SpikeSummary, since: int
) -> tuple[float | None, float | None]:
    """(peak above baseline so far, share of it that the loss still has to fall)."""
    losses = history.losses
    begin = max(losses.index(since + 1), len(losses) - FAR_BACK)
    values = losses.values()[begin:]
    values = values[np.isfinite(values)].astype(np.float64)
    if spike.baseline is None or not len(values):
        return spike.height, None
    means = np.convolve(values, np.full(min(FEW, len(values)), 1.0), "valid")
    means /= min(FEW, len(values))
    peak = float(means.max()) - spike.baseline
    height = peak if spike.height is None else max(peak, spike.height)
    if height <= 0:
        return height, None
    return height, float(np.clip((means[-1] - spike.baseline) / height, 0, 1))
