"""What probes found, as plain data: scores, controls, and which places count as encoded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.analysis.sites import Site

LEAST_MARGIN = 0.05
"""By how much a probe must beat each control, in accuracy or R²."""
SURE = 4.0
"""And by how many standard errors."""
CONSTANT, SHUFFLED, UNTRAINED, NO_COT = "constant", "shuffled", "untrained", "no_cot"

Grid = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """What the report says of a target, apart from its numbers.

    last_column  the last one that comes before the target is given away
    spread       standard deviation of a running sum; 1 for classes. Times sqrt(1 - R²): the error
    testable     does the task predict what patching does to the answer?
    """

    name: str
    kind: str
    words: str
    classes: int
    last_column: int
    spread: float
    testable: bool


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """Everything found about a checkpoint; T targets, S sites, C columns.

    scores    [T, S, C] accuracy (classes) or R² (running sums) on held-out examples
    errors    [T, S, C] their standard errors
    controls  by name: [T, S, C] the control's score at the same place
    control_errors  by name: their standard errors
    patched   [T, S, C] share of predicted changes, of the whole activation or the target's part,
              whichever says more; NaN where it was not tried
    patched_control  [T, S, C] the same for the prediction from a third example
    supported [T, S, C] condition c of `probe_run`
    accuracy  [K] the model's own accuracy at each answer digit, the gold ones fed before it
    notes     what should be known to read this correctly
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
    def site_labels(self) -> tuple[str, ...]:
        """[S] short names of the sites."""
        return tuple(Site.parse(name).short for name in self.sites)

    @property
    def margins(self) -> Grid:
        """[T, S, C] score minus the best control."""
        margin: Grid = self.scores - np.max(list(self.controls.values()), axis=0)
        return margin

    @property
    def valid(self) -> NDArray[np.bool_]:
        """[T, 1, C] condition a: the column comes before the target is given away."""
        columns = np.arange(len(self.columns))
        last = np.array([target.last_column for target in self.targets])
        return (columns <= last[:, None])[:, None]

    @property
    def beats_controls(self) -> NDArray[np.bool_]:
        """[T, S, C] condition b: every control is beaten, by enough and surely."""
        found = np.ones(self.scores.shape, dtype=np.bool_)
        for name, control in self.controls.items():
            margin = self.scores - control
            error = np.hypot(self.errors, self.control_errors[name])
            found &= (margin >= LEAST_MARGIN) & (margin >= SURE * error)
        return found

    @property
    def readable(self) -> NDArray[np.bool_]:
        """[T, S, C] conditions a and b."""
        both: NDArray[np.bool_] = self.valid & self.beats_controls
        return both

    @property
    def encoded(self) -> NDArray[np.bool_]:
        """[T, S, C] all three conditions."""
        all_three: NDArray[np.bool_] = self.readable & self.supported
        return all_three

    def best_control(self, target: int, site: int, column: int) -> tuple[str, float]:
        """The control with the highest score at a place, and that score."""
        scores = {name: float(grid[target, site, column]) for name, grid in self.controls.items()}
        return max(scores.items(), key=lambda item: item[1])

    def cell_to_show(self, target: int) -> tuple[int, int]:
        """(site, column) that says most of a target: the widest margin among encoded places, then
        among readable ones; else the best score in a valid column.
        """
        shape = self.margins[target].shape
        valid = np.broadcast_to(self.valid[target], shape)
        values = np.where(valid, self.scores[target], -np.inf)
        for allowed in (self.encoded[target], self.readable[target]):
            if allowed.any():
                values = np.where(allowed, self.margins[target], -np.inf)
                break
        site, column = np.unravel_index(int(values.argmax()), shape)
        return int(site), int(column)
