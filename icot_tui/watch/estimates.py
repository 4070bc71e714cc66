"""What can be said of a run's spikes and of what lies ahead of it, as plain data."""

from dataclasses import dataclass

import numpy as np

from icot_tui.engine.journal.summary import RunSummary, SpikeSummary
from icot_tui.watch.history import History


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
