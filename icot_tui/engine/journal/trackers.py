"""Tells experiment trackers what happens to a run; off by default.

What was not finite is left out: trackers keep such numbers in ways of their own, and the journal
does not tell infinity from NaN. The curve `skipped_updates` says where it happened.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from icot_tui.engine.evaluation.samples import read_samples
from icot_tui.engine.journal import events
from icot_tui.engine.journal.tracker_clients import Tracker
from icot_tui.errors import reason
from icot_tui.output import say

Point = tuple[str, float | None]
SAMPLE_COLUMNS = ("kind", "question", "answer", "model's chain of thought", "model's answer")


class Trackers:
    """Passes events on to trackers; one that fails is given up, and stops nothing.

    Args:
        open_trackers: by name.
        samples: the run's folder of samples.
    """

    def __init__(self, open_trackers: dict[str, Tracker], samples: Path) -> None:
        self._open = open_trackers
        self._samples = samples
        self._counts: Counter[str] = Counter()

    def write(self, time: float, event: events.Event) -> None:
        """Pass on an event that was journaled at a time, in seconds since the epoch."""
        if not self._open:
            return
        points = dict(self._points(event))
        numbers = {name: value for name, value in points.items() if value is not None}
        if numbers:
            self._each(lambda tracker: tracker.log(numbers, event.step, time))
        if isinstance(event, events.Evaluated) and event.samples:
            self._write_samples(event)

    def page(self, name: str, text: str) -> None:
        """Show a text everywhere."""
        self._each(lambda tracker: tracker.page(name, text))

    def close(self, failed: bool = False) -> None:
        """The run is over, with an error if it failed."""
        self._each(lambda tracker: tracker.close(failed))
        self._open = {}

    def _each(self, work: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                work(tracker)
            except Exception as error:  # of whatever library: the training goes on
                del self._open[name]
                say(f"the tracker {name} gets no more: {reason(error)}", error=True)

    def _points(self, event: events.Event) -> Iterator[Point]:
        """Numbers that an event adds to curves; None where it was not finite."""
        match event:
            case events.StepsTrained():
                yield "stage", event.stage
                yield "learning_rate", event.learning_rate
                yield "loss", _mean(event.losses)
                for name, mean in event.loss_parts.items():
                    yield f"loss_parts/{name}", mean  # none below "loss": see findings/
                yield "gradient_norm", _mean(event.gradient_norms)
            case events.TokenRemoved():
                yield "removed_tokens", event.stage
            case events.NextTokensProbed():
                yield "readable", event.readable
                yield "readable_shuffled", event.shuffled
                yield "readable_majority", event.majority
            case events.OptimizerReset():
                yield self._counted("optimizer_resets")
            case events.LossSpike():
                yield self._counted("spikes")
                yield "spike_loss", event.loss
            case events.SpikeRecovered():
                yield "recovery_steps", event.steps
                yield "spike_height", event.height
            case events.Collapsed():
                yield self._counted("collapses")
            case events.UpdatesSkipped():
                yield self._counted("skipped_updates", event.skipped)
            case events.RolledBack():
                yield self._counted("rollbacks")
                yield "removed_tokens", event.stage
            case events.Evaluated():
                yield "exact_match", event.exact_match
                yield "validation_loss", event.loss
                for digit, share in enumerate(event.token_accuracy[:-1], start=1):
                    yield f"digit_accuracy/{digit}", share

    def _counted(self, name: str, more: int = 1) -> Point:
        self._counts[name] += more
        return name, self._counts[name]

    def _write_samples(self, event: events.Evaluated) -> None:
        try:
            samples = read_samples(self._samples / Path(event.samples).name)
        except OSError:  # they were deleted since
            return
        rows = [
            (one.kind, one.input, one.answer, one.model_cot, one.model_answer or "")
            for one in samples
        ]
        self._each(lambda tracker: tracker.table("samples", SAMPLE_COLUMNS, rows, event.step))


def _mean(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return sum(finite) / len(finite) if finite else None


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, str | int | float]:
    """Nested sections as `section.key`, which is what trackers can show."""
    found: dict[str, str | int | float] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value if isinstance(value, int | float | str) else str(value)
    return found
