"""Loss spikes: which removal caused them, and whether they recover or are a collapse.

After a removal the loss usually jumps and comes back; exact match may fall to 0 and return (arXiv
2405.14838, section 5). While it recovers, the loss since the last removal or the accuracy of the
answer's tokens still improves; in a collapse neither does.
"""

import math
import statistics
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from icot_tui.config import SpikeConfig
from icot_tui.engine.journal.events import Collapsed, Event, LossSpike, SpikeRecovered

PROGRESS = 0.02  # a new low counts as progress when it is lower by this share of the spike's height
FEW = 5  # losses after a removal before a spike can be called


@dataclass(kw_only=True)
class Spike:
    """A spike that has not recovered."""

    number: int
    removal: int | None
    since: int
    baseline: float
    line: float  # below this smoothed loss the spike is over
    peak: float
    lowest: float
    last_progress: int
    progressed: bool = False  # has the loss reached a new low in the present stage?
    collapsed: bool = False

    @property
    def height(self) -> float:
        """Peak above baseline, in nats."""
        return self.peak - self.baseline


class SpikeDetector:
    """Finds spikes in the losses of all steps; its statistics restart at each removal."""

    def __init__(self, config: SpikeConfig) -> None:
        self._window = config.window
        self._sigmas = config.sigmas
        self._patience = config.patience
        self.open: Spike | None = None
        self._count = 0
        self._stage: int | None = None
        self._removed_at = 0
        self._before: tuple[float, float] | None = None
        self._losses: deque[float] = deque(maxlen=5 * config.window)
        self._best_accuracy = -math.inf

    def token_removed(self, step: int, stage: int) -> None:
        """A token was removed when this many steps were done."""
        if self.open is None:
            if len(self._losses) >= self._window:
                self._before = _mean_and_deviation(self._losses)
        else:
            if self.open.progressed:
                self.open.last_progress = step
            self.open.progressed = False
            self.open.lowest = math.inf
        self._losses.clear()
        self._stage, self._removed_at = stage, step
        self._best_accuracy = -math.inf

    def add_loss(self, step: int, loss: float | None) -> list[Event]:
        """The events that one step's loss causes; non-finite losses are ignored."""
        if loss is None or not math.isfinite(loss):
            return []
        self._losses.append(loss)
        if self.open is None:
            return self._find_spike(step)
        return self._follow(self.open, step)

    def add_evaluation(self, step: int, token_accuracy: float) -> None:
        """More right answer tokens are progress too, whatever the exact match is."""
        known = math.isfinite(self._best_accuracy)
        if self.open and known and token_accuracy > self._best_accuracy + 0.01:
            self.open.last_progress = step
        self._best_accuracy = max(self._best_accuracy, token_accuracy)

    def _find_spike(self, step: int) -> list[Event]:
        if len(self._losses) < FEW:
            return []
        losses = list(self._losses)
        earlier, recent = losses[:-FEW], losses[-FEW:]
        fresh = len(earlier) < self._window
        reference = self._before if fresh else _mean_and_deviation(earlier)
        if reference is None:
            return []
        mean, deviation = reference
        line = mean + self._sigmas * max(deviation, 0.01 * abs(mean), 1e-4)
        loss = statistics.fmean(recent)
        if loss <= line:
            return []
        removal = self._stage if fresh else None
        self._count += 1
        self.open = Spike(
            number=self._count,
            removal=removal,
            since=self._removed_at if fresh else step,
            baseline=mean,
            line=line,
            peak=loss,
            lowest=math.inf,
            last_progress=step,
        )
        return [LossSpike(step=step, spike=self._count, removal=removal, baseline=mean, loss=loss)]

    def _follow(self, spike: Spike, step: int) -> list[Event]:
        count = min(self._window, len(self._losses))
        smoothed = statistics.fmean(list(self._losses)[-count:])
        spike.peak = max(spike.peak, smoothed)
        if count < FEW:
            return []
        if smoothed < spike.lowest - PROGRESS * spike.height:
            if spike.lowest < math.inf:
                spike.progressed, spike.last_progress = True, step
            spike.lowest = smoothed
        stalled = step - spike.last_progress >= self._patience
        settled = stalled and smoothed - spike.baseline < 0.5 * spike.height
        if smoothed <= spike.line or settled:
            self.open = None
            return [_outcome(SpikeRecovered, spike, step)]
        if stalled and not spike.collapsed:
            spike.collapsed = True
            return [_outcome(Collapsed, spike, step)]
        return []

    def state(self) -> dict[str, Any]:
        """All that must survive, as plain JSON (infinities as None)."""
        spike = None if self.open is None else asdict(self.open)
        if spike is not None and math.isinf(spike["lowest"]):
            spike["lowest"] = None
        accuracy = self._best_accuracy
        return {
            "open": spike,
            "count": self._count,
            "stage": self._stage,
            "removed_at": self._removed_at,
            "before": self._before,
            "losses": list(self._losses),
            "best_accuracy": accuracy if math.isfinite(accuracy) else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        spike = state["open"]
        if spike is not None and spike["lowest"] is None:
            spike = spike | {"lowest": math.inf}
        self.open = None if spike is None else Spike(**spike)
        self._count = max(self._count, state["count"])
        self._stage, self._removed_at = state["stage"], state["removed_at"]
        self._before = state["before"] and (state["before"][0], state["before"][1])
        self._losses.clear()
        self._losses.extend(state["losses"])
        accuracy = state["best_accuracy"]
        self._best_accuracy = -math.inf if accuracy is None else accuracy


def _outcome(kind: type[SpikeRecovered] | type[Collapsed], spike: Spike, step: int) -> Event:
    number, removal, lasted = spike.number, spike.removal, step - spike.since
    return kind(step=step, spike=number, removal=removal, height=spike.height, steps=lasted)


def _mean_and_deviation(losses: "deque[float] | list[float]") -> tuple[float, float]:
    mean = statistics.fmean(losses)
    return mean, math.sqrt(statistics.fmean((loss - mean) ** 2 for loss in losses))
