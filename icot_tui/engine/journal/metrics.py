"""The numbers of a run that a resume can undo, and how it undoes them; many lines as arrays."""

from array import array
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.events import Collapsed, Evaluated, PhaseBegan, SpikeRecovered
from icot_tui.engine.journal.rewind import Rewind

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

LOSS_WINDOW = 50
"""Steps that the shown loss is averaged over."""
UNREAD = frozenset({"gradient_norms"})
"""Left out, whatever stands there: no view shows them, and they are half of the numbers."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class StepArrays:
    """What n lines say of m steps. All lines are of one stage and follow each other.

    times              [n] seconds since the epoch
    first              the first step
    steps              [n] each line's last step
    stage              of all of them
    learning_rates     [n]
    seconds            [n] time spent training
    supervised_tokens  of all lines together
    dropped_rows       of all lines together
    losses             [m] float32, NaN where the loss was not finite; those of the lines on end
    last_losses        the last finite losses in full precision, 50 of them if there are so many
    """

    times: Floats
    first: int
    steps: Whole
    stage: int
    learning_rates: Floats
    seconds: Floats
    supervised_tokens: int
    dropped_rows: int
    losses: NDArray[np.float32]
    last_losses: tuple[float, ...]


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
        """Is the loss still above its baseline?"""
        return self.steps is None or self.collapsed


@dataclass(frozen=True)
class Evaluation:
    """An evaluation, when it was, and what it was of.

    seconds  of training before it
    phase    the training it belongs to, in a run of several
    """

    time: float
    result: Evaluated
    seconds: float = 0.0
    phase: PhaseBegan | None = None


@dataclass(slots=True, kw_only=True)
class Metrics:
    """All that a resume can undo."""

    step: int = 0
    stage: int = 0
    stage_since: int = 0
    """The step at which the stage last changed."""
    phase: PhaseBegan | None = None
    """The training that is under way, in a run of several."""
    everything_removed_at: int | None = None
    """The step at which the last chain-of-thought token went; None while one is left."""
    internalized: tuple[int, float] | None = None
    """That step and the seconds of training until then; kept when tokens come back."""
    losses: tuple[float, ...] = ()
    """Finite losses of the last steps."""
    learning_rate: float | None = None
    seconds: float = 0.0
    """Time spent training, evaluations and pauses left out."""
    supervised_tokens: int = 0
    dropped_rows: int = 0
    skipped_updates: int = 0
    resets: int = 0
    rollbacks: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)
    best_so_far: tuple[bool, float] = (False, -1.0)
    """(was everything removed, exact match) of the best evaluation."""
    best_step: int | None = None
    """The step of that evaluation."""
    spikes: list[SpikeSummary] = field(default_factory=list)
    removals: tuple[tuple[int, int], ...] = ()
    """(step, stage) of the last removals since the run began or went back."""
    checkpoint: str | None = None
    """Path of the newest checkpoint, as journaled."""
    clock_changed: bool = False
    """Was the schedule held, slowed down or changed, so that the config foretells it no more?"""
    held: bool = False
    """Is the removal schedule held now?"""

    @property
    def loss(self) -> float | None:
        """Mean over the last steps."""
        return sum(self.losses) / len(self.losses) if self.losses else None

    @property
    def best(self) -> float | None:
        """Best exact match; it starts anew once everything is removed."""
        return None if self.best_step is None else self.best_so_far[1]

    @property
    def evaluation(self) -> Evaluated | None:
        """The last one."""
        return self.evaluations[-1].result if self.evaluations else None

    @property
    def phase_name(self) -> str | None:
        """The training at work, of a run of several."""
        return None if self.phase is None else self.phase.phase

    @property
    def open_spikes(self) -> int:
        """Spikes that have not recovered."""
        return sum(spike.open for spike in self.spikes[-8:])


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the metrics stood, in constant space: small ones copied, lists by their lengths."""

    small: Metrics
    losses: "array[float]"
    evaluations: int
    spikes: int
    closed: int


class RewindableMetrics:
    """Metrics that go back to a checkpoint.

    Attributes:
        now: the metrics as they stand.
        rewind: tell it of each event.
    """

    def __init__(self) -> None:
        self.now = Metrics()
        self._closed: list[tuple[int, SpikeSummary]] = []  # spikes as they were before they closed
        self.rewind = Rewind(self._mark, self._restore, self._at_step)

    def held_at(self, checkpoint: str) -> bool:
        """Was the removal schedule held at a checkpoint? No, where its line was lost."""
        mark = self.rewind.at(checkpoint)
        return mark is not None and mark.small.held

    def close_spike(self, event: SpikeRecovered | Collapsed) -> None:
        """Note what became of a spike."""
        spikes = self.now.spikes
        for index in range(len(spikes) - 1, -1, -1):
            if spikes[index].number == event.spike:
                self._closed.append((index, spikes[index]))
                spikes[index] = replace(
                    spikes[index],
                    height=event.height,
                    steps=event.steps,
                    collapsed=isinstance(event, Collapsed),
                )
                return

    def _mark(self) -> _Mark:
        now = self.now
        return _Mark(
            small=replace(now, losses=(), evaluations=[], spikes=[]),
            losses=array("d", now.losses),
            evaluations=len(now.evaluations),
            spikes=len(now.spikes),
            closed=len(self._closed),
        )

    def _restore(self, mark: _Mark) -> None:
        evaluations, spikes = self.now.evaluations, self.now.spikes
        while len(self._closed) > mark.closed:
            index, spike = self._closed.pop()
            spikes[index] = spike
        del spikes[mark.spikes :], evaluations[mark.evaluations :]
        self.now = replace(
            mark.small, losses=tuple(mark.losses), evaluations=evaluations, spikes=spikes
        )

    def _at_step(self, step: int) -> _Mark:
        """The last checkpoint before: smaller steps than that are not remembered."""
        return self._mark() if step >= self.now.step else self.rewind.newest
