"""What happened at each stage of a run and after each optimizer reset, as plain data."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.watch.history import History, Reset

FEW = 10
"""Steps that a loss before or after something is the mean of."""
AT_END = 50
"""Steps at the end of a stage that its loss is the mean of."""
FAR = 20_000
"""Steps after a reset in which a recovery is looked for."""


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """A stage from its first step to its last; one that a rollback repeats comes again.

    Attributes:
        began: steps done when it began.
        steps, seconds: of training at it.
        loss: mean of its last steps, in nats; None where none is known.
        exact_match: the best evaluation at it; None without one.
        spikes, collapses: seen at it.
        present: is the run still at it?
    """

    stage: int
    began: int
    steps: int
    seconds: float
    loss: float | None
    exact_match: float | None
    spikes: int
    collapses: int
    present: bool


def stages(history: History) -> list[StageFacts]:
    """All stages of the run, oldest first."""
    spans, last = history.spans, history.summary.metrics.step
    if not spans or last == 0:
        return []
    begins = [span.step for span in spans]
    ends = [*begins[1:], last]
    times = history.lines.seconds_at(np.array([*begins, last], dtype=np.int64))
    matches: list[float | None] = [None] * len(spans)
    for evaluation in history.summary.metrics.evaluations:
        result = evaluation.result
        # An evaluation at the step of a removal came before it.
        at = max(0, bisect_right(begins, result.step - 1) - 1)
        if spans[at].stage == result.stage:
            matches[at] = max(matches[at] or 0.0, result.exact_match)
    spikes, collapses = [0] * len(spans), [0] * len(spans)
    for spike in history.summary.metrics.spikes:
        at = max(0, bisect_right(begins, spike.step) - 1)
        spikes[at] += 1
        collapses[at] += spike.collapsed
    return [
        StageFacts(
            stage=span.stage,
            began=span.step,
            steps=max(0, ends[at] - span.step),
            seconds=float(times[at + 1] - times[at]),
            loss=_mean(_losses(history, max(span.step, ends[at] - AT_END), ends[at])),
            exact_match=matches[at],
            spikes=spikes[at],
            collapses=collapses[at],
            present=at == len(spans) - 1,
        )
        for at, span in enumerate(spans)
    ]


@dataclass(frozen=True, kw_only=True)
class ResetFacts:
    """An optimizer reset and the loss around it, in nats.

    Attributes:
        stage: of the run after it.
        before: mean of the few steps up to it; None where none is known.
        after: highest mean of as many steps in a row, up to the next reset.
        recovered: steps until such a mean was down at `before` again; None if it never was, or
            too few steps followed for one.
        over: has another reset followed?
    """

    reset: Reset
    stage: int
    before: float | None
    after: float | None
    recovered: int | None
    over: bool


def reset_facts(history: History, most: int) -> list[ResetFacts]:
    """The newest `most` resets, the newest first."""
    resets, last = history.resets, history.summary.metrics.step
    begins = [span.step for span in history.spans]
    found = []
    for at in range(len(resets) - 1, max(-1, len(resets) - 1 - most), -1):
        reset = resets[at]
        over = at + 1 < len(resets)
        end = resets[at + 1].step if over else last
        before = _mean(_losses(history, reset.step - FEW, reset.step))
        after, recovered = _recovery(history, reset.step, min(end, reset.step + FAR), before)
        span = max(0, bisect_right(begins, reset.step) - 1)
        stage = history.spans[span].stage if begins else 0
        found.append(
            ResetFacts(
                reset=reset,
                stage=stage,
                before=before,
                after=after,
                recovered=recovered,
                over=over,
            )
        )
    return found


def _recovery(
    history: History, step: int, end: int, before: float | None
) -> tuple[float | None, int | None]:
    """(highest mean after the reset, steps until the mean was down again)."""
    losses = _losses(history, step, end)
    places = np.flatnonzero(np.isfinite(losses))
    if not len(places):
        return None, None
    few = min(FEW, len(places))
    means = np.convolve(losses[places], np.full(few, 1 / few), "valid")
    if before is None or few < FEW:
        return float(means.max()), None
    down = np.flatnonzero(means <= before)
    return float(means.max()), int(places[down[0] + few - 1]) + 1 if len(down) else None


def _losses(history: History, after: int, until: int) -> NDArray[np.float64]:
    """[n] the losses of the steps after one step, up to another."""
    series = history.losses
    part = series.values()[series.index(max(0, after) + 1) : series.index(until + 1)]
    return part.astype(np.float64)


def _mean(losses: NDArray[np.float64]) -> float | None:
    finite = losses[np.isfinite(losses)]
    return float(finite.mean()) if len(finite) else None
