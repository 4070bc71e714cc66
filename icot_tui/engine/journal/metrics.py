"""The numbers of a run that a resume can undo, and the bookmarks that undo them."""

from array import array
from dataclasses import dataclass, field, replace
from posixpath import basename

from icot_tui.engine.journal.events import Collapsed, Evaluated, PhaseBegan, SpikeRecovered


@dataclass(frozen=True)
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
    """An evaluation and when it was."""

    time: float
    result: Evaluated


@dataclass(slots=True)
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
class _Bookmark:
    """Where the metrics stood: the small ones copied, the lists by their lengths."""

    metrics: Metrics
    losses: "array[float]"
    evaluations: int
    spikes: int
    closed: int


class Undoable:
    """Metrics that go back to a checkpoint; a bookmark takes constant space, however long the run.

    Attributes:
        now: the metrics as they stand.
    """

    def __init__(self) -> None:
        self.now = Metrics()
        self._bookmarks: dict[str, _Bookmark] = {}  # in the journal's order
        self._closed: list[tuple[int, SpikeSummary]] = []  # spikes as they were before they closed

    def start(self, step: int) -> None:
        """A run begins: nothing stands of what was before."""
        self.now = Metrics(step=step)
        self._bookmarks.clear()
        self._closed.clear()

    def bookmark(self, checkpoint: str) -> None:
        """Remember the present metrics under a checkpoint's name."""
        name, now = basename(checkpoint), self.now
        small = replace(now, losses=(), evaluations=[], spikes=[])
        self._bookmarks.pop(name, None)
        self._bookmarks[name] = _Bookmark(
            small,
            array("d", now.losses),
            len(now.evaluations),
            len(now.spikes),
            len(self._closed),
        )

    def go_back(self, checkpoint: str, step: int) -> None:
        """Back to a checkpoint; one that was never journaled is what stood at its step."""
        name = basename(checkpoint)
        if name not in self._bookmarks:
            if step >= self.now.step:
                return
            earlier = [key for key, mark in self._bookmarks.items() if mark.metrics.step <= step]
            if not earlier:
                return self.start(step)
            name = earlier[-1]
        while next(reversed(self._bookmarks)) != name:
            self._bookmarks.popitem()
        mark, before = self._bookmarks[name], self.now
        while len(self._closed) > mark.closed:
            index, spike = self._closed.pop()
            before.spikes[index] = spike
        del before.spikes[mark.spikes :], before.evaluations[mark.evaluations :]
        self.now = replace(
            mark.metrics,
            losses=tuple(mark.losses),
            evaluations=before.evaluations,
            spikes=before.spikes,
        )

    def at(self, checkpoint: str) -> Metrics | None:
        """The small metrics as they stood at a checkpoint, if it was journaled."""
        mark = self._bookmarks.get(basename(checkpoint))
        return None if mark is None else mark.metrics

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
