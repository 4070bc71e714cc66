"""All that is known of a run, as plain data: folded from its journal, event by event or in bulk.

A resume undoes what came after its checkpoint. The log keeps what was undone: it has all that
happened, in the order in which it did.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Event,
    ExampleShown,
    OptimizerReset,
    PhaseBegan,
    RunStarted,
    StepsTrained,
    ThoughtsCompared,
    TokenRemoved,
)
from icot_tui.engine.journal.metrics import StepArrays
from icot_tui.engine.journal.rewind import Rewind
from icot_tui.engine.journal.summary import Evaluation, RunSummary
from icot_tui.engine.journal.wording import describe
from icot_tui.watch.axes import Axis, Span, TrainingLines, along_removals
from icot_tui.watch.series import StepSeries, single

if TYPE_CHECKING:
    from icot_tui.config import RunConfig

LOG_LINES = 5000
"""Lines of the log that are kept."""


@dataclass(frozen=True)
class Reset:
    """The optimizer's state was dropped."""

    step: int
    time: float
    cause: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint."""

    step: int
    time: float
    stage: int


@dataclass(frozen=True)
class PhaseHistory:
    """One of the trainings of a run of several: its evaluations are those from that number on."""

    began: PhaseBegan
    evaluations: int

    @property
    def step(self) -> int:
        return self.began.step


@dataclass(frozen=True)
class LogLine:
    """Something that happened; `kind` is the name of the event's class.

    `content` is a text, or an event and the training that it belongs to.
    """

    time: float
    step: int
    kind: str
    content: str | tuple[Event, str | None]

    @cached_property
    def text(self) -> str:
        """In plain words, formed on demand: most lines of a long journal are never shown."""
        return self.content if isinstance(self.content, str) else describe(*self.content)


class History:
    """A run so far.

    Attributes:
        version: rises with every change.
        summary: the run in a few numbers; evaluations, spikes and probes are in its metrics.
        losses: of each step, in nats per supervised token.
        lines: the time spent, the learning rate, and the parts of the loss, a row each few steps.
        removals, resets, saved: what their names say, oldest first.
        spans: the stages, with the steps at which they began.
        trainings: those of a run of several that have begun, oldest first.
        thoughts: how far an emulator's thoughts were from the teacher's, oldest first.
        log: the last events but `StepsTrained` and `ExampleShown`, in words, oldest first, undone
            ones included.
        example: the example on show, once known.
    """

    def __init__(self, config: "RunConfig | None" = None, version: int = 0) -> None:
        self.version = version
        self.summary = RunSummary(config)
        self.losses = StepSeries()
        self.lines = TrainingLines()
        self.removals: list[TokenRemoved] = []
        self.resets: list[Reset] = []
        self.saved: list[Saved] = []
        self.spans: list[Span] = []
        self.trainings: list[PhaseHistory] = []
        self.thoughts: list[ThoughtsCompared] = []
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.logged = 0
        self.example: ExampleShown | None = None
        self._lists: tuple[list[Any], ...] = (
            self.removals, self.resets, self.saved, self.spans, self.trainings, self.thoughts,
        )  # fmt: skip
        self._rewind = Rewind(self._lengths, self._cut, self._lengths_at)

    @property
    def evaluations(self) -> list[Evaluation]:
        """Those of the present training, oldest first."""
        return self.evaluations_of(-1) if self.trainings else self.summary.metrics.evaluations

    def evaluations_of(self, training: int) -> list[Evaluation]:
        """Those of one of the trainings, by its place among them."""
        since = self.trainings[training].evaluations
        later = self.trainings[training:][1:]
        until = later[0].evaluations if later else None
        return self.summary.metrics.evaluations[since:until]

    def along(self, steps: NDArray[np.int64], axis: Axis) -> NDArray[np.float64]:
        """[n] where steps lie: in seconds of training, or at a stage plus its share that passed."""
        if axis == "time":
            return self.lines.seconds_at(steps)
        if axis == "removed":
            summary = self.summary
            return along_removals(steps, self.spans, summary.metrics.step, summary.greatest_stage)
        return np.asarray(steps, dtype=np.float64)

    def add(self, time: float, event: Event) -> None:
        self._rewind.before(event)
        self.summary.add(time, event)
        self._note(time, event)
        self._follow_stage()
        if not isinstance(event, StepsTrained | ExampleShown):
            content = event, self.summary.metrics.phase_name
            self.log.append(LogLine(time, event.step, type(event).__name__, content))
            self.logged += 1
        self._rewind.after(event)
        self.version += 1

    def add_lines(self, lines: StepArrays) -> None:
        self.summary.add_lines(lines)
        self._follow_stage()
        self.lines.extend(lines.steps, lines.seconds, lines.learning_rates, lines.loss_parts)
        self.losses.extend(lines.first, lines.losses)
        self.version += 1

    def _note(self, time: float, event: Event) -> None:
        step = event.step
        match event:
            case RunStarted():
                self.lines.first = step
            case StepsTrained():
                seconds, rate = np.array([event.seconds]), np.array([event.learning_rate])
                parts = {name: np.array([mean], float) for name, mean in event.loss_parts.items()}
                self.lines.extend(np.array([step]), seconds, rate, parts)
                first = step - len(event.losses) + 1
                self.losses.extend(first, single(np.array(event.losses, dtype=np.float64)))
            case TokenRemoved():
                self.removals.append(event)
            case OptimizerReset():
                self.resets.append(Reset(step, time, event.cause))
            case CheckpointSaved():
                self.saved.append(Saved(step, time, event.stage))
            case PhaseBegan():
                evaluations = len(self.summary.metrics.evaluations)
                self.trainings.append(PhaseHistory(event, evaluations))
            case ThoughtsCompared():
                self.thoughts.append(event)
            case ExampleShown():
                self.example = event

    def _follow_stage(self) -> None:
        metrics = self.summary.metrics
        span = Span(metrics.stage_since, metrics.stage)
        if not self.spans or self.spans[-1] != span:
            self.spans.append(span)

    def _lengths(self) -> list[int]:
        return [len(self.losses), len(self.lines), *map(len, self._lists)]

    def _lengths_at(self, step: int) -> list[int]:
        """How much there was when so many steps were done."""
        lines = self.lines.until(step)
        last = int(self.lines.steps[lines - 1]) if lines else self.lines.first
        lengths = [bisect_right(items, step, key=attrgetter("step")) for items in self._lists]
        return [self.losses.index(last + 1), lines, *lengths]

    def _cut(self, lengths: list[int]) -> None:
        losses, lines, *of_lists = lengths
        self.losses.cut(losses)
        self.lines.cut(lines)
        for items, length in zip(self._lists, of_lists, strict=True):
            del items[length:]
