"""What probes found, as plain data and in words: no more than its three conditions allow."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.formatting import whole_share
from icot_tui.models.residual_stream import Site

LEAST_MARGIN = 0.05  # by how much a probe must beat each control, in accuracy or R²
SURE = 4.0  # and by how many standard errors
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


CONTROL_WORDS = {
    "constant": "always guessing the most common value",
    "shuffled": "shuffled labels",
    "untrained": "an untrained model",
    "no_cot": "the No-CoT model",
}


def place_words(report: ProbeReport, site: int, column: int) -> str:
    """`the output of layer 2, column ####`."""
    return f"{Site.parse(report.sites[site]).words}, column {report.columns[column]}"


def score_words(report: ProbeReport, target: int, site: int, column: int) -> str:
    """The score and its best control: `98% correct, against 31% correct for shuffled labels`."""
    control, best = report.best_control(target, site, column)
    score = _score(report, target, float(report.scores[target, site, column]))
    return f"{score}, against {_score(report, target, best)} for {CONTROL_WORDS[control]}"


def _score(report: ProbeReport, target: int, score: float) -> str:
    """An accuracy as a percentage; an R² with the typical error that it means."""
    facts = report.targets[target]
    if facts.kind != "sum":
        return f"{whole_share(score)} correct"
    return f"R² {score:.2f} (error {facts.spread * max(1 - score, 0.0) ** 0.5:.1f})"


def conclusion(report: ProbeReport, target: int) -> str:
    """One or two sentences on a target: what was found, and what may be concluded."""
    facts = report.targets[target]
    site, column = report.cell_to_show(target)
    name = f"{facts.name}, {facts.words}"
    where = place_words(report, site, column)
    if facts.kind != "token" and column == facts.last_column:
        where += " (where the digit itself is about to be written)"
    score = score_words(report, target, site, column)
    if report.encoded[target].any():
        share = float(report.patched[target, site, column])
        chance = float(report.patched_control[target, site, column])
        return (
            f"{name}, is encoded at {where}: a probe reads it there ({score}), and patching in the "
            f"activation of another question changes the answer as predicted in "
            f"{whole_share(share)} of the pairs (control: {whole_share(chance)})."
        )
    if report.readable[target].any():
        return f"{name}, can be read at {where} ({score}), {_doubt(report, target)}."
    if report.beats_controls[target].any():
        return (
            f"{name}, can be read only where the tokens before already give it away: this says "
            "nothing about the hidden states."
        )
    return (
        f"{name}, was not found: at its best place, {where}, a probe reaches {score}. That no "
        "linear probe beats its controls does not prove that nothing is there."
    )


def _doubt(report: ProbeReport, target: int) -> str:
    unknown = "it is present, but whether the model uses it is not known"
    tried = report.patched[target]
    if not report.targets[target].testable:
        return f"but it was not patched, as the task predicts no change of the answer: {unknown}"
    if np.isnan(tried).all():
        return f"but nothing was patched: {unknown}"
    return (
        "but patching there does not change the answer as predicted "
        f"(in {whole_share(np.nanmax(tried))} of the pairs at most): "
        "no sign that the model uses it there"
    )


def caveats(report: ProbeReport) -> Iterator[str]:
    """What every reader of the report should know."""
    yield from report.notes
    if NO_COT not in report.controls:
        yield (
            "No No-CoT control given, so any correct model might show this: it need not come from "
            "the hidden chain of thought"
        )
    if report.accuracy.size and report.accuracy.min() < 0.5:
        weak = [(k, share) for k, share in enumerate(report.accuracy) if share < 0.5]
        shares = ", ".join(f"c{k} right in {whole_share(share)}" for k, share in weak)
        yield (
            f"the model gets some answer digits wrong more often than right ({shares}): patching "
            "can show little there"
        )
