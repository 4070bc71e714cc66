"""A run's events and figures in words, for the log of a headless run."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from icot_tui.engine.journal import events
from icot_tui.engine.journal.events import Event
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import describe
from icot_tui.formatting import count, plain, short_percent
from icot_tui.watch.time_left import time_left

REMOVALS_SECONDS = 5.0
"""Removals that follow each other within this time share a line."""

STYLES: dict[type[Event], str] = {
    events.TokenRemoved: "secondary",
    events.Evaluated: "success",
    events.SpikeRecovered: "success",
    events.LossSpike: "warning",
    events.Paused: "warning",
    events.RolledBack: "warning",
    events.UpdatesSkipped: "warning",
    events.Warned: "warning",
    events.Collapsed: "error",
    events.CheckpointFailed: "error",
    events.CheckpointSaved: "muted",
    events.RunEnded: "primary",
}
"""Theme style of each event's line."""


@dataclass(frozen=True)
class NarratedLine:
    """One line of the log."""

    when: float
    step: int
    text: str
    style: str = "none"


class Narrator:
    """Turns events, which `summary` includes already, into lines; quick removals share one line."""

    def __init__(self, summary: RunSummary) -> None:
        self._summary = summary
        self._removals: list[tuple[float, events.TokenRemoved]] = []
        self._resets = 0

    def lines(self, when: float, event: Event) -> Iterator[NarratedLine]:
        """The lines to print now; a removal's line is held back for a while."""
        if isinstance(event, events.StepsTrained | events.ExampleShown):
            return
        removed_at = self._removals[-1][1].step if self._removals else None
        if isinstance(event, events.TokenRemoved):
            if self._removals and self._removals[-1][1].cause != event.cause:
                yield from self.flush()
            self._removals.append((when, event))
        elif isinstance(event, events.OptimizerReset) and event.step == removed_at:
            self._resets += 1
        else:
            yield from self.flush()
            words = describe(event, self._summary.metrics.phase_name)
            yield NarratedLine(when, event.step, words, STYLES.get(type(event), "none"))

    def overdue(self, now: float) -> Iterator[NarratedLine]:
        """The line of the removals that were held back long enough."""
        if self._removals and now >= self._removals[0][0] + REMOVALS_SECONDS:
            yield from self.flush()

    def flush(self) -> Iterator[NarratedLine]:
        """The line of the removals that are held back."""
        if not self._removals:
            return
        (_, first), (when, last) = self._removals[0], self._removals[-1]
        together = msgspec.structs.replace(last, before=first.before)
        reset = ", optimizer reset" if self._resets else ""
        self._removals, self._resets = [], 0
        yield NarratedLine(when, last.step, describe(together) + reset, STYLES[events.TokenRemoved])


def pace(summary: RunSummary) -> list[str]:
    """Step, loss, speed and remaining time, as far as they are known."""
    metrics = summary.metrics
    parts = [f"step {metrics.step:,}"]
    if metrics.loss is not None:
        parts.append(f"loss {metrics.loss:.4f}")
    if summary.steps_per_second is not None:
        parts.append(f"{summary.steps_per_second:.3g} steps/s")
    if left := time_left(summary):
        parts.append(f"{left} to go")
    if summary.paused is not None:
        parts.append(f"paused: {plain(summary.paused)}")
    return parts


def results(summary: RunSummary) -> list[str]:
    """Exact match, spikes and the like, as far as there are any."""
    metrics = summary.metrics
    parts: list[str] = []
    if metrics.evaluation is not None and metrics.best is not None:
        exact = metrics.evaluation.exact_match
        parts.append(f"exact match {short_percent(exact)} (best {short_percent(metrics.best)})")
    counts = {
        "spike": len(metrics.spikes),
        "open spike": metrics.open_spikes,
        "optimizer reset": metrics.resets,
        "rollback": metrics.rollbacks,
        "skipped update": metrics.skipped_updates,
        "overlong row": metrics.dropped_rows,
    }
    return parts + [count(many, what) for what, many in counts.items() if many]
