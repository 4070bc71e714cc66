"""What probing found, as plain data: scores, controls, and what may be concluded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_MARGIN = 0.05
"""A probe must beat each control by so much in accuracy or R²."""
SURE = 4.0
"""And by so many standard errors."""
CONSTANT, SHUFFLED, UNTRAINED, NO_COT = "constant", "shuffled", "untrained", "no_cot"

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class TargetFacts:
    """What the report says of a target, apart from its numbers."""

    name: str
    kind: str
    words: str
    classes: int
    last_column: int
    spread: float
    """Standard deviation of a running sum; 1 for classes. Times sqrt(1 - R²): the error."""
    testable: bool
    """Does the task say what patching should do to the answer?"""


@dataclass(frozen=True)
class ProbeReport:
    """Everything found of a checkpoint; T targets, S sites, C columns.

    scores    [T, S, C] accuracy (classes) or R² (running sums) on held-out examples
    errors    [T, S, C] their standard errors
    controls  by name: [T, S, C] the control's score at the same place
    control_errors  the same for their standard errors
    patched   [T, S, C] share of predicted changes, whichever of whole and part says more; NaN
              where it was not tried
    patched_control  [T, S, C] the same for another source's prediction
    supported [T, S, C] condition c
    accuracy  [K] the model's own accuracy at each answer digit, the gold ones fed before it
    notes     what should be known to read this rightly
    """

    checkpoint: str
    stage: int
    examples: int
    targets: tuple[TargetFacts, ...]
    sites: tuple[str, ...]
    columns: tuple[str, ...]
    scores: Grid
    errors: Grid
    controls: dict[str, Grid]
    control_errors: dict[str, Grid]
    patched: Grid
    patched_control: Grid
    supported: NDArray[np.bool_]
    accuracy: Grid
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def best_control(self) -> Grid:
        """[T, S, C] the highest of the controls' scores."""
        best: Grid = np.max(list(self.controls.values()), axis=0)
        return best

    @property
    def margins(self) -> Grid:
        """[T, S, C] score minus the best control."""
        margin: Grid = self.scores - self.best_control
        return margin

    @property
    def counts(self) -> NDArray[np.bool_]:
        """[T, 1, C] condition a."""
        columns = np.arange(len(self.columns))
        last = np.array([target.last_column for target in self.targets])
        return (columns <= last[:, None])[:, None]

    @property
    def read(self) -> NDArray[np.bool_]:
        """[T, S, C] condition b: every control is beaten, by enough and surely."""
        found = np.ones(self.scores.shape, dtype=np.bool_)
        for name, control in self.controls.items():
            margin = self.scores - control
            error = np.hypot(self.errors, self.control_errors[name])
            found &= (margin >= LEAST_MARGIN) & (margin >= SURE * error)
        return found

    @property
    def encoded(self) -> NDArray[np.bool_]:
        """[T, S, C] all three conditions."""
        all_three: NDArray[np.bool_] = self.counts & self.read & self.supported
        return all_three

    def best_cell(self, target: int) -> tuple[int, int]:
        """(site, column) with the widest margin among those where reading counts."""
        margins = np.where(self.counts[target], self.margins[target], -np.inf)
        site, column = np.unravel_index(int(margins.argmax()), margins.shape)
        return int(site), int(column)
