"""The model's answers to held-out examples."""

from dataclasses import dataclass
from pathlib import Path

from icot_tui.engine.evaluation.samples import Sample, read_samples
from icot_tui.engine.journal.events import Evaluated
from icot_tui.engine.run_folder import RunFolder

LARGEST_BYTES = 4 << 20
"""Of a file of samples; what follows is not read for the screen."""


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
