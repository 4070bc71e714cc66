"""A run's steps as arrays, read in bulk: for exports, queries and scripts."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from icot_tui.engine.journal.events import (
    Evaluated,
    Event,
    NextTokensProbed,
    PhaseBegan,
    StepsTrained,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.metrics import StepArrays
from icot_tui.engine.journal.rewind import Rewind
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.bulk_reader import BulkReader, Wanted, step_arrays


@dataclass(frozen=True, eq=False, kw_only=True)
class TimedEvaluation:
    """An evaluation, when it was journaled, and of which training; "" is the only one."""

    time: float
    result: Evaluated
    phase: str


class PartMeans(NamedTuple):
    """A part of the loss, as each of L lines of the journal has it.

    steps  [L] the last step of each line, rising
    means  [L] over the line's steps, NaN where not finite
    """

    steps: NDArray[np.int64]
    means: NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class StepTable:
    """The steps and evaluations that led to the present: what a resume undid is left out.

    steps           [S] numbers of the optimizer steps, rising
    times           [S] seconds since the epoch, of the journal's line that tells of the step
    stages          [S] removed tokens
    phases          [S] trainings of ICoT-KD, as indices into `phase_names`
    losses          [S] training loss, NaN where it was not finite
    gradient_norms  [S] before clipping, likewise
    learning_rates  [S]
    loss_parts      of losses that are sums, by their names: last steps of lines, means over theirs
    phase_names     "" is that of runs of one training
    evaluations     oldest first
    probed          how well the next tokens to go were read, with the times, oldest first
    """

    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    stages: NDArray[np.int64]
    phases: NDArray[np.int64]
    losses: NDArray[np.float64]
    gradient_norms: NDArray[np.float64]
    learning_rates: NDArray[np.float64]
    loss_parts: Mapping[str, PartMeans]
    phase_names: tuple[str, ...]
    evaluations: tuple[TimedEvaluation, ...]
    probed: tuple[tuple[float, NextTokensProbed], ...]


def read_steps(run: RunFolder) -> StepTable:
    """Read a run's journal into arrays.

    Raises:
        OSError: the journal is there but can't be read.
    """
    fold = _StepFold()
    for part in BulkReader(JournalReader(run.journal), Wanted.ALL).whole():
        for piece in part:
            if isinstance(piece, StepArrays):
                fold.add_lines(piece)
            else:
                fold.add(*piece)
    return fold.table()


@dataclass(frozen=True)
class _Mark:
    """Where the fold stood: the lengths of its lists, and the last step where that cuts a part."""

    parts: int
    evaluations: int
    phases: int
    probed: int
    until: int | None = None


class _StepFold:
    """Keeps the lines that stand, and takes back what a resume undoes."""

    def __init__(self) -> None:
        self._parts: list[tuple[StepArrays, str]] = []  # and the training that they belong to
        self._evaluations: list[TimedEvaluation] = []
        self._probed: list[tuple[float, NextTokensProbed]] = []
        self._phases: list[tuple[int, str]] = [(-1, "")]  # (step, training that began)
        self._rewind = Rewind(self._mark, self._restore, self._at_step)

    def add_lines(self, lines: StepArrays) -> None:
        self._parts.append((lines, self._phases[-1][1]))

    def add(self, time: float, event: Event) -> None:
        self._rewind.before(event)
        match event:
            case PhaseBegan():
                self._phases.append((event.step, event.phase))
            case Evaluated():
                phase = self._phases[-1][1]
                self._evaluations.append(TimedEvaluation(time=time, result=event, phase=phase))
            case NextTokensProbed():
                self._probed.append((time, event))
            case StepsTrained(losses=[_, *_]):
                self.add_lines(step_arrays(time, event))
        self._rewind.after(event)

    def _mark(self) -> _Mark:
        return _Mark(len(self._parts), len(self._evaluations), len(self._phases), len(self._probed))

    def _at_step(self, step: int) -> _Mark:
        return _Mark(
            bisect_right(self._parts, step, key=lambda part: part[0].first),
            bisect_right(self._evaluations, step, key=attrgetter("result.step")),
            bisect_right(self._phases, step, key=itemgetter(0)),
            bisect_right(self._probed, step, key=lambda one: one[1].step),
            until=step,
        )

    def _restore(self, mark: _Mark) -> None:
        del self._parts[mark.parts :]
        del self._evaluations[mark.evaluations :]
        del self._phases[mark.phases :]
        del self._probed[mark.probed :]
        if mark.until is not None and self._parts:
            lines, phase = self._parts.pop()
            if count := int(np.searchsorted(lines.steps, mark.until, side="right")):
                self._parts.append((_first_lines(lines, count), phase))

    def table(self) -> StepTable:
        names = tuple(dict.fromkeys(phase for _, phase in self._parts))
        parts = [lines for lines, _ in self._parts]
        lengths = [len(lines.losses) for lines in parts]
        per_part = {
            "stages": [lines.stage for lines in parts],
            "phases": [names.index(phase) for _, phase in self._parts],
        }
        steps = _joined([np.arange(lines.first, lines.steps[-1] + 1) for lines in parts], np.int64)
        last = _last_of_each(steps)
        columns: dict[str, NDArray[Any]] = {
            "times": _joined([_each_step(lines, lines.times) for lines in parts]),
            "losses": _joined([lines.losses for lines in parts]),
            "gradient_norms": _joined([lines.gradient_norms for lines in parts]),
            "learning_rates": _joined([_each_step(lines, lines.learning_rates) for lines in parts]),
        } | {name: np.repeat(np.array(of, np.int64), lengths) for name, of in per_part.items()}
        return StepTable(
            steps=steps[last],
            **{name: values[last] for name, values in columns.items()},
            loss_parts={name: _part_means(parts, name) for name in _part_names(parts)},
            phase_names=names,
            evaluations=tuple(self._evaluations),
            probed=tuple(self._probed),
        )


def _first_lines(lines: StepArrays, count: int) -> StepArrays:
    """The first lines of several; the sums remain those of all."""
    steps = int(lines.steps[count - 1]) - lines.first + 1
    return msgspec.structs.replace(
        lines,
        times=lines.times[:count],
        steps=lines.steps[:count],
        learning_rates=lines.learning_rates[:count],
        seconds=lines.seconds[:count],
        losses=lines.losses[:steps],
        gradient_norms=lines.gradient_norms[:steps],
        loss_parts={name: means[:count] for name, means in lines.loss_parts.items()},
    )


def _part_names(parts: list[StepArrays]) -> dict[str, None]:
    return dict.fromkeys(chain.from_iterable(lines.loss_parts for lines in parts))


def _part_means(parts: list[StepArrays], name: str) -> PartMeans:
    """Of the lines that have this part of the loss."""
    have = [lines for lines in parts if name in lines.loss_parts]
    steps = _joined([lines.steps for lines in have], np.int64)
    means = _joined([lines.loss_parts[name] for lines in have])
    last = _last_of_each(steps)
    return PartMeans(steps[last], means[last])


def _each_step(lines: StepArrays, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[m] the values of n lines, for each of their m steps."""
    return np.repeat(values, np.diff(lines.steps, prepend=lines.first - 1))


def _joined(arrays: list[NDArray[Any]], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    return np.concatenate(arrays, dtype=dtype) if arrays else np.empty(0, dtype)


def _last_of_each(steps: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Which of them to keep: all, but of a step that a damaged journal tells twice the last."""
    if np.all(steps[1:] > steps[:-1]):
        return slice(None)
    _, from_end = np.unique(steps[::-1], return_index=True)
    return len(steps) - 1 - from_end
