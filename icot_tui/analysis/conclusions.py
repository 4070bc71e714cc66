"""A probe report in words: no more than its three conditions allow to conclude."""

from collections.abc import Iterator

import numpy as np

from icot_tui.analysis.probe_report import NO_COT, ProbeReport
from icot_tui.analysis.sites import Site

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
        return f"{score:.0%} correct"
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
            f"activation of another question changes the answer as predicted in {share:.0%} of "
            f"the pairs (by chance {chance:.0%})."
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
        f"(in {np.nanmax(tried):.0%} of the pairs at most): no sign that the model uses it there"
    )


def caveats(report: ProbeReport) -> Iterator[str]:
    """What every reader of the report should know."""
    yield from report.notes
    if NO_COT not in report.controls:
        yield (
            "no No-CoT control was given, so any model that answers correctly might show this: it "
            "need not come from the hidden chain of thought"
        )
    if report.accuracy.size and report.accuracy.min() < 0.5:
        shares = ", ".join(f"c{k} {share:.0%}" for k, share in enumerate(report.accuracy))
        yield (
            f"the model gets some answer digits wrong more often than right ({shares}): patching "
            "can show little there"
        )
