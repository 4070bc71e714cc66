"""The numbers of a run that a resume can undo, and how it undoes them; many lines as arrays."""

import math
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

import msgspec
import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.events import (
    Collapsed,
    Evaluated,
    ExamplesCounted,
    NextTokensProbed,
    PhaseBegan,
    SpikeRecovered,
)
from icot_tui.engine.journal.rewind import Rewind

LOSS_WINDOW = 50  # steps that the shown loss is averaged over


class StepArrays(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What n lines say of m steps. All are of one stage and loss, and follow each other."""

    times: NDArray[np.float64]  # [n] seconds since the epoch
    first: int  # the first step
    steps: NDArray[np.int64]  # [n] each line's last step
    stage: int  # of all of them
    learning_rates: NDArray[np.float64]  # [n]
    seconds: NDArray[np.float64]  # [n] time spent training
    supervised_tokens: int  # of all lines together
    dropped_rows: int  # of all lines together
    # [m] line after line, NaN where not finite; for views in 32 bits, for summaries empty
    losses: NDArray[np.floating]
    last_losses: tuple[float, ...]  # the last finite losses in full precision
    # [m] NaN where not finite; empty where nobody wanted them
    gradient_norms: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.empty(0))
    # [n] each line's means of the parts of the loss, by their names; NaN where not known
    loss_parts: Mapping[str, NDArray[np.float64]] = {}
    gated_loss: float | None = None  # the last line's

    @property
    def last_parts(self) -> dict[str, float | None]:
        """The parts of the loss as the last line has them."""
        last = {name: float(means[-1]) for name, means in self.loss_parts.items()}
        return {name: mean if math.isfinite(mean) else None for name, mean in last.items()}


@dataclass(frozen=True, kw_only=True)
class SpikeSummary:
    """One loss spike and what became of it; `steps` and `height` are None while it is open."""

    number: int
    step: int
    removal: int | None
    baseline: float | None
    loss: float | None
    height: float | None = None
    steps: int | None = None
    collapsed: bool = False

    @property
    def open(self) -> bool:
        return self.steps is None or self.collapsed


@dataclass(frozen=True)
class Evaluation:
    """An evaluation, when it was, and what it was of."""

    time: float
    result: Evaluated
    seconds: float = 0.0  # of training before it
    phase: PhaseBegan | None = None  # the training it belongs to, in a run of several


@dataclass(slots=True, kw_only=True)
class Metrics:
    """All that a resume can undo."""

    step: int = 0
    stage: int = 0
    stage_since: int = 0  # the step at which the stage last changed
    phase: PhaseBegan | None = None  # the training that is under way, in a run of several
    everything_removed_at: int | None = None  # the step; None while a token is left
    internalized: tuple[int, float] | None = None  # that step and the seconds until then, for good
    losses: tuple[float, ...] = ()  # finite losses of the last steps
    loss_parts: Mapping[str, float | None] = field(default_factory=dict)  # of the last line
    gated_loss: float | None = None  # see `StepsTrained`; None also since the last removal
    learning_rate: float | None = None
    seconds: float = 0.0  # time spent training, evaluations and pauses left out
    supervised_tokens: int = 0
    dropped_rows: int = 0
    step_flops: int | None = None  # floating-point operations of a step now; None: not counted
    flops: float | None = 0.0  # of all steps; None where some were not counted
    skipped_updates: int = 0
    resets: int = 0
    rollbacks: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)
    best_so_far: tuple[bool, float] = (False, -1.0)  # of the best: (implicit?, exact match)
    best_step: int | None = None  # the step of that evaluation
    best_stage: int = 0  # and its stage
    abandoned: bool = False  # a rollback came after the last evaluation: it is of other weights
    spikes: list[SpikeSummary] = field(default_factory=list)
    probed: list[NextTokensProbed] = field(default_factory=list)  # what was read before it went
    removals: tuple[tuple[int, int], ...] = ()  # the last (step, stage), since a rollback if any
    checkpoint: str | None = None  # path of the newest checkpoint, as journaled
    clock_changed: bool = False  # held, slowed down or changed: no longer as the config says
    counted: ExamplesCounted | None = None  # how many examples were at each stage, as of late
    held: bool = False  # is the removal schedule held now?

    @property
    def loss(self) -> float | None:
        return sum(self.losses) / len(self.losses) if self.losses else None

    @property
    def best(self) -> float | None:
        """Best exact match; it starts over once everything is removed."""
        return None if self.best_step is None else self.best_so_far[1]

    @property
    def evaluation(self) -> Evaluated | None:
        return self.evaluations[-1].result if self.evaluations else None

    @property
    def phase_name(self) -> str | None:
        return None if self.phase is None else self.phase.phase

    @property
    def open_spikes(self) -> int:
        return sum(spike.open for spike in self.spikes[-8:])

    def count_flops(self, steps: int) -> None:
        """So many more steps as the last one that was counted."""
        if self.flops is None or self.step_flops is None:
            self.flops = None
        else:
            self.flops += steps * self.step_flops


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the metrics stood, in constant space: small ones copied, lists by their lengths."""

    small: Metrics
    losses: "array[float]"  # of the last steps, which are most of what a mark takes
    evaluations: int
    spikes: int
    probed: int
    closed: int


class RewindableMetrics:
    """Metrics, `now` and at each checkpoint, to go back to; `rewind` wants to see each event."""

    def __init__(self) -> None:
        self.now = Metrics()
        self._closed: list[tuple[int, SpikeSummary]] = []  # spikes as they were before they closed
        self.rewind = Rewind(self._mark, self._restore, self._at_step)

    def held_at(self, checkpoint: str) -> bool:
        """Was the removal schedule held at a checkpoint? No, where its line was lost."""
        mark = self.rewind.at(checkpoint)
        return mark is not None and mark.small.held

    def close_spike(self, event: SpikeRecovered | Collapsed) -> None:
        spikes = self.now.spikes
        for index, spike in reversed([*enumerate(spikes)]):
            if spike.number == event.spike:
                self._closed.append((index, spike))
                collapsed = isinstance(event, Collapsed)
                spikes[index] = replace(
                    spike, height=event.height, steps=event.steps, collapsed=collapsed
                )
                return

    def _mark(self) -> _Mark:
        now = self.now
        return _Mark(
            small=replace(now, evaluations=[], spikes=[], probed=[], losses=()),
            losses=array("d", now.losses),
            evaluations=len(now.evaluations),
            spikes=len(now.spikes),
            probed=len(now.probed),
            closed=len(self._closed),
        )

    def _restore(self, mark: _Mark) -> None:
        now, spikes = self.now, self.now.spikes
        while len(self._closed) > mark.closed:
            index, spike = self._closed.pop()
            spikes[index] = spike
        del spikes[mark.spikes :], now.evaluations[mark.evaluations :], now.probed[mark.probed :]
        self.now = replace(
            mark.small,
            losses=tuple(mark.losses),
            evaluations=now.evaluations,
            spikes=spikes,
            probed=now.probed,
        )

    def _at_step(self, step: int) -> _Mark:
        """The last checkpoint before; of what came since, only probes are known by their steps."""
        if step >= self.now.step:
            return self._mark()
        probed = bisect_right(self.now.probed, step, key=attrgetter("step"))
        return replace(self.rewind.newest, probed=probed)
