"""What a report shows, in words: no more than the three conditions allow to conclude."""

from collections.abc import Iterator

import numpy as np

from icot_tui.analysis.probe_report import NO_COT, ProbeReport
from icot_tui.analysis.residual_stream import site

CONTROL_WORDS = {
    "constant": "always saying the commonest",
    "shuffled": "shuffled labels",
    "untrained": "an untrained model",
    "no_cot": "the No-CoT model",
}


def place_words(report: ProbeReport, row: int, column: int) -> str:
    """`layer 2 out, column ####`."""
    short = site(report.sites[row]).short
    layer = "the embeddings" if short == "embed" else f"layer {short}"
    return f"{layer}, column {report.columns[column]}"


def score_words(report: ProbeReport, target: int, score: float) -> str:
    """An accuracy as a percentage; an R² with the typical error it means."""
    facts = report.targets[target]
    if facts.kind != "sum":
        return f"{score:.0%} right"
    return f"R² {score:.2f} (error {facts.spread * max(1 - score, 0.0) ** 0.5:.1f})"


def verdict(report: ProbeReport, target: int) -> str:
    """One or two sentences on a target: what is shown, and what may be concluded."""
    facts = report.targets[target]
    row, column = cell_to_tell(report, target)
    name = f"{facts.name}, {facts.words}"
    where = place_words(report, row, column)
    if facts.kind != "token" and column == facts.last_column:
        where += " (where the digit itself is about to be said)"
    score = score_words(report, target, float(report.scores[target, row, column]))
    rival, best = _rival(report, target, row, column)
    against = f"against {score_words(report, target, best)} for {CONTROL_WORDS[rival]}"
    if report.encoded[target].any():
        share = float(report.patched[target, row, column])
        chance = float(report.patched_control[target, row, column])
        return (
            f"{name}, is encoded at {where}: a probe reads it there ({score}, {against}), and "
            f"taking the activation from another question changes the answer as it says in "
            f"{share:.0%} of the cases (by chance {chance:.0%})."
        )
    if (report.read & report.counts)[target].any():
        return f"{name}, can be read at {where} ({score}, {against}), {_doubt(report, target)}."
    if report.read[target].any():
        return (
            f"{name}, can be read only where what was written already tells it: nothing follows "
            "about the hidden states."
        )
    return (
        f"{name}, was not found: where a probe reads it best, at {where}, it has {score}, "
        f"{against}. That no linear probe beats its controls does not prove that nothing is there."
    )


def _doubt(report: ProbeReport, target: int) -> str:
    tried = report.patched[target]
    if not report.targets[target].testable:
        return (
            "but the task does not say what the answer should become without it, so that patching "
            "could not be tried: it stands there, whether it is used is not known"
        )
    if np.isnan(tried).all():
        return "but nothing was patched: it stands there, whether it is used is not known"
    return (
        "but patching there does not change the answer as it should "
        f"({np.nanmax(tried):.0%} of the cases at most): no sign that it is used there"
    )


def cell_to_tell(report: ProbeReport, target: int) -> tuple[int, int]:
    """The cell to speak of: encoded ones first, then readable ones, by their margins; or the one
    that is read best, controls or not.
    """
    counts = np.broadcast_to(report.counts[target], report.margins[target].shape)
    values = np.where(counts, report.scores[target], -np.inf)
    for allowed in (report.encoded[target], (report.read & report.counts)[target]):
        if allowed.any():
            values = np.where(allowed, report.margins[target], -np.inf)
            break
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def _rival(report: ProbeReport, target: int, row: int, column: int) -> tuple[str, float]:
    there = {name: float(grid[target, row, column]) for name, grid in report.controls.items()}
    best = max(there, key=lambda name: there[name])
    return best, there[best]


def caveats(report: ProbeReport) -> Iterator[str]:
    """What every reader of the report should know."""
    yield from report.notes
    if NO_COT not in report.controls:
        yield (
            "no No-CoT model was given: what any model must hold that answers rightly is not told "
            "apart from what its hidden chain of thought left behind"
        )
    if report.accuracy.size and report.accuracy.min() < 0.5:
        yield (
            "the model gets some answer digits wrong more often than right "
            f"({', '.join(f'c{k} {share:.0%}' for k, share in enumerate(report.accuracy))}): "
            "patching can show little there"
        )
