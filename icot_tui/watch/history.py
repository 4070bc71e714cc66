"""All that is known of a run, as plain data: folded from its journal, event by event or in bulk.

A resume undoes what came after its checkpoint, as `journal.effective` does. The log keeps what
was undone: it tells what happened, in the order in which it did.
"""

from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property
from posixpath import basename

import numpy as np
from numpy.typing import NDArray

from icot_tui.config import RunConfig
from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    ExampleShown,
    OptimizerReset,
    PhaseBegan,
    RunResumed,
    RunStarted,
    StepsTrained,
    ThoughtsCompared,
    TokenRemoved,
)
from icot_tui.engine.journal.step_arrays import StepArrays
from icot_tui.engine.journal.summary import Evaluation, RunSummary
from icot_tui.engine.journal.wording import describe
from icot_tui.watch.axes import Axis, Span, along_removals
from icot_tui.watch.series import StepSeries, single
from icot_tui.watch.step_log import StepLog

LOG_LINES = 5000
"""Lines of the log that are kept."""


@dataclass(frozen=True)
class Removal:
    """The step after `step` was the first with `stage` tokens removed."""

    step: int
    time: float
    before: int
    stage: int
    cause: str
    everything: bool


@dataclass(frozen=True)
class Reset:
    """The optimizer's state was dropped."""

    step: int
    time: float
    cause: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint, with the exact match of the evaluation at its step if there was one."""

    step: int
    time: float
    path: str
    stage: int
    exact_match: float | None


@dataclass(frozen=True)
class Training:
    """One of the trainings of a run of several: its evaluations are those from that number on."""

    began: PhaseBegan
    evaluations: int


@dataclass(frozen=True)
class LogLine:
    """Something that happened; `kind` is the name of the event's class.

    `said` is a text, or an event and the training that it belongs to.
    """

    time: float
    step: int
    kind: str
    said: str | tuple[Event, str | None]

    @cached_property
    def text(self) -> str:
        """In plain words, formed when looked at: most lines of a long journal never are."""
        return self.said if isinstance(self.said, str) else describe(*self.said)


@dataclass(frozen=True, slots=True)
class _Bookmark:
    """How much of everything stood at a checkpoint."""

    losses: int
    lines: int
    removals: int
    resets: int
    saved: int
    skipped: int
    spans: int
    trainings: int
    thoughts: int


class History:
    """A run so far.

    Attributes:
        version: rises with every change.
        summary: the run in a few numbers; evaluations and spikes are in its metrics.
        losses: of each step, in nats per supervised token.
        lines: time spent and learning rate, a row each few steps.
        removals, resets, saved: what their names say, oldest first.
        spans: the stages, with the steps at which they began.
        trainings: those of a run of several that have begun, oldest first.
        thoughts: how far an emulator's thoughts were from the teacher's, oldest first.
        log: the last events but `StepsTrained` and `ExampleShown`, in words, oldest first, undone
            ones included.
        example: the example on show, once known.
        skipped: the steps whose loss was not finite.
    """

    def __init__(self, config: RunConfig | None = None, version: int = 0) -> None:
        self.version = version
        self.summary = RunSummary(config)
        self.losses = StepSeries()
        self.lines = StepLog()
        self.removals: list[Removal] = []
        self.resets: list[Reset] = []
        self.saved: list[Saved] = []
        self.spans: list[Span] = []
        self.trainings: list[Training] = []
        self.thoughts: list[ThoughtsCompared] = []
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.example: ExampleShown | None = None
        self.skipped: list[int] = []
        self._bookmarks: dict[str, _Bookmark] = {}

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
        """[n] where these steps lie on an axis.

        "time": seconds of training since the start. "removed": the stage plus the share of it
        that has passed.
        """
        if axis == "time":
            return self.lines.seconds_at(steps)
        if axis == "removed":
            summary = self.summary
            return along_removals(steps, self.spans, summary.metrics.step, summary.max_cot_tokens)
        return np.asarray(steps, dtype=np.float64)

    def add(self, time: float, event: Event) -> None:
        """Take note of the next event."""
        if isinstance(event, RunStarted):
            self._cut(_Bookmark(0, 0, 0, 0, 0, 0, 0, 0, 0))
            self._bookmarks.clear()
            self.lines.first = event.step
        elif isinstance(event, RunResumed):
            self._go_back(event)
        self.summary.add(time, event)
        self._note(time, event)
        self._follow_stage()
        if not isinstance(event, StepsTrained | ExampleShown):
            said = event, self.summary.metrics.phase_name
            self.log.append(LogLine(time, event.step, type(event).__name__, said))
        self.version += 1

    def add_lines(self, lines: StepArrays) -> None:
        """Take note of many `StepsTrained` lines at once."""
        self.summary.add_lines(lines)
        self._follow_stage()
        self.lines.extend(lines.steps, lines.seconds, lines.learning_rates)
        self._extend(lines.first, lines.losses)
        self.version += 1

    def _note(self, time: float, event: Event) -> None:
        step = event.step
        match event:
            case StepsTrained():
                self._trained(event)
            case TokenRemoved():
                self.removals.append(
                    Removal(step, time, event.before, event.stage, event.cause, event.everything)
                )
            case OptimizerReset():
                self.resets.append(Reset(step, time, event.cause))
            case CheckpointSaved():
                self.saved.append(Saved(step, time, event.path, event.stage, None))
                self._match_newest()
                self._bookmark(event.path)
            case Evaluated() | RunResumed():
                self._match_newest()
            case PhaseBegan():
                evaluations = len(self.summary.metrics.evaluations)
                self.trainings.append(Training(event, evaluations))
            case ThoughtsCompared():
                self.thoughts.append(event)
            case ExampleShown():
                self.example = event

    def _match_newest(self) -> None:
        """Give the newest checkpoint the exact match that was measured at its step."""
        if self.saved:
            newest, exact = self.saved[-1], None
            for evaluation in reversed(self.summary.metrics.evaluations):
                if evaluation.result.step <= newest.step:
                    same = evaluation.result.step == newest.step
                    exact = evaluation.result.exact_match if same else None
                    break
            if exact != newest.exact_match:
                self.saved[-1] = replace(newest, exact_match=exact)

    def _trained(self, event: StepsTrained) -> None:
        steps = np.array([event.step], dtype=np.int64)
        self.lines.extend(steps, np.array([event.seconds]), np.array([event.learning_rate]))
        losses = np.array(event.losses, dtype=np.float64)
        self._extend(event.step - len(losses) + 1, single(losses))

    def _extend(self, first: int, losses: NDArray[np.float32]) -> None:
        self.losses.extend(first, losses)
        if np.isnan(losses.sum()):
            self.skipped += (first + np.flatnonzero(np.isnan(losses))).tolist()

    def _follow_stage(self) -> None:
        metrics = self.summary.metrics
        span = Span(metrics.stage_since, metrics.stage)
        if not self.spans or self.spans[-1] != span:
            self.spans.append(span)

    # Going back ------------------------------------------------------------------------------

    def _bookmark(self, checkpoint: str) -> None:
        name = basename(checkpoint)
        self._bookmarks.pop(name, None)  # the newest stands last
        self._bookmarks[name] = _Bookmark(
            len(self.losses),
            len(self.lines),
            len(self.removals),
            len(self.resets),
            len(self.saved),
            len(self.skipped),
            len(self.spans),
            len(self.trainings),
            len(self.thoughts),
        )

    def _go_back(self, event: RunResumed) -> None:
        """Cut off all that came after a checkpoint; without its line, what came after its step."""
        name = basename(event.checkpoint)
        if name in self._bookmarks:
            while next(reversed(self._bookmarks)) != name:
                self._bookmarks.popitem()
            self._cut(self._bookmarks[name])
        elif event.step < self.summary.metrics.step:
            self._cut(self._before(event.step))
        self._bookmark(event.checkpoint)

    def _before(self, step: int) -> _Bookmark:
        lines = self.lines.until(step)
        last = int(self.lines.steps[lines - 1]) if lines else self.lines.first
        return _Bookmark(
            self.losses.index(last + 1),
            lines,
            sum(removal.step <= step for removal in self.removals),
            sum(reset.step <= step for reset in self.resets),
            sum(saved.step <= step for saved in self.saved),
            sum(skipped <= last for skipped in self.skipped),
            max(1, sum(span.since <= step for span in self.spans)),
            sum(training.began.step <= step for training in self.trainings),
            sum(thoughts.step <= step for thoughts in self.thoughts),
        )

    def _cut(self, mark: _Bookmark) -> None:
        self.losses.cut(mark.losses)
        self.lines.cut(mark.lines)
        for items, length in (
            (self.removals, mark.removals),
            (self.resets, mark.resets),
            (self.saved, mark.saved),
            (self.skipped, mark.skipped),
            (self.spans, mark.spans),
            (self.trainings, mark.trainings),
            (self.thoughts, mark.thoughts),
        ):
            del items[length:]
