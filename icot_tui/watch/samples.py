"""The model's answers to held-out examples, and how well each digit holds."""

from dataclasses import dataclass
from pathlib import Path

from icot_tui.engine.evaluation.samples import Sample, read_samples
from icot_tui.engine.journal.events import Evaluated
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder

LARGEST_BYTES = 4 << 20
"""Of a file of samples; what follows is not read for the screen."""
HELD = 0.9
"""A digit holds from this share of right answers on."""
FELL = 0.05
"""A digit fell when it lost more than this share since its best."""


@dataclass(frozen=True)
class Samples:
    """What was asked at one evaluation, wrong answers first.

    Attributes:
        step, stage: of the evaluation.
        right, wrong: the samples.
        problem: why there are none; empty when there are.
    """

    step: int
    stage: int
    right: tuple[Sample, ...]
    wrong: tuple[Sample, ...]
    problem: str = ""


@dataclass(frozen=True)
class Difference:
    """A part of an answer; `right` says whether it is as it should be."""

    text: str
    right: bool


@dataclass(frozen=True)
class Digit:
    """How one token of the answer does, over all evaluations.

    Attributes:
        place: of the token in the answer, from 0.
        accuracy: at the last evaluation.
        best: so far.
        history: (step, stage, accuracy) of each evaluation.
    """

    place: int
    accuracy: float
    best: float
    history: tuple[tuple[int, int, float], ...]

    @property
    def holds(self) -> bool:
        """Is it nearly always right?"""
        return self.accuracy >= HELD

    @property
    def fell(self) -> bool:
        """Was it clearly better before?"""
        return self.best - self.accuracy > FELL


class SampleReader:
    """The latest samples of a run, read once for each evaluation."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._read: tuple[Evaluated, Samples] | None = None

    def latest(self, summary: RunSummary) -> Samples | None:
        """The samples of the last evaluation that has a file; None before any."""
        last = next(
            (e.result for e in reversed(summary.metrics.evaluations) if e.result.samples), None
        )
        if last is None:
            return None
        if self._read is None or self._read[0] is not last:
            self._read = last, samples_of(self._folder, last)
        return self._read[1]


def samples_of(folder: RunFolder, evaluation: Evaluated) -> Samples:
    """The samples of an evaluation; what can't be read is told in `problem`."""
    path = folder.samples / Path(evaluation.samples).name
    try:
        found = read_samples(path, LARGEST_BYTES)
    except OSError as error:
        return Samples(evaluation.step, evaluation.stage, (), (), f"{path}: {error.strerror}")
    right = tuple(sample for sample in found if sample.correct)
    wrong = tuple(sample for sample in found if not sample.correct)
    problem = "" if found else f"{path} has no samples that can be read"
    return Samples(evaluation.step, evaluation.stage, right, wrong, problem)


def compare_answers(true: str, given: str | None) -> tuple[Difference, ...]:
    """The given answer in parts, each right or wrong by its place; tokens are split at blanks.

    Answers without blanks are compared character by character.
    """
    if not given:
        return ()
    spaced = " " in true.strip()
    wanted, got = (true.split(), given.split()) if spaced else (list(true), list(given))
    return tuple(
        Difference(part, place < len(wanted) and part == wanted[place])
        for place, part in enumerate(got)
    )


def digits(summary: RunSummary) -> tuple[Digit, ...]:
    """Each token of the answer but the closing separator, over all evaluations."""
    evaluations = [evaluation.result for evaluation in summary.metrics.evaluations]
    if not evaluations:
        return ()
    found = []
    for place in range(len(evaluations[-1].token_accuracy) - 1):
        history = tuple(
            (result.step, result.stage, result.token_accuracy[place])
            for result in evaluations
            if place < len(result.token_accuracy) - 1 and result.token_accuracy[place] is not None
        )
        if history:
            best = max(accuracy for _, _, accuracy in history)
            found.append(Digit(place, history[-1][2], best, history))
    return tuple(found)
