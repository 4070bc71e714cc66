"""Heat maps of a token: which view makes which, and those that come from probes."""

from typing import TYPE_CHECKING

import numpy as np

from icot_tui.errors import UserError
from icot_tui.tui.play import probe_reports
from icot_tui.tui.play.heat_map import ENCODED, GIVEN, READABLE, HeatMap, cells, highest, percents
from icot_tui.tui.play.question_views import attention, attribution, lens
from icot_tui.tui.play.records import VIEWS, ChosenToken, ViewRequest
from icot_tui.tui.play.thought_view import thoughts

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.probe_report import ProbeReport
    from icot_tui.tui.play.backend import Backend


def heat_map(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    """The map that is asked for.

    Raises:
        UserError: this question, or this model, has no such map, or not yet.
    """
    if request.view == "thoughts":
        return thoughts(backend, request, answer)
    if request.entry.is_pair:
        raise UserError(
            "ICoT-KD's pair holds its thought in the states that the emulator predicts, which "
            f"view {VIEWS.index('thoughts') + 1} shows: the other views are for single models"
        )
    if request.view in ("probe", "patching"):
        return _of_probes(request, answer)
    if request.view == "attribution":
        return attribution(backend, request, answer)
    if answer.question.gold is None:
        raise UserError(
            "the correct answer to this question is unknown, so it can't be fed to the model: ask "
            "a question of the run's task"
        )
    return (lens if request.view == "lens" else attention)(backend, request, answer)


def _of_probes(request: ViewRequest, answer: "Answer") -> HeatMap:
    chosen, path = request.chosen, request.entry.path
    found = probe_reports.find(path, answer.stage, chosen.name)
    if found is not None:
        return _patching_map(*found, chosen) if request.view == "patching" else _probe_map(*found)
    if chosen.part == "chain" and not chosen.hidden:
        raise UserError("the model writes this token: probes are for hidden tokens and digits")
    if not answer.hidden:
        raise UserError(
            "no chain-of-thought token is hidden at this stage: choose a checkpoint that has "
            "removed some"
        )
    if probe_reports.saved(path, answer.stage):
        raise UserError(
            f"there is nothing to probe for: {chosen.name} is the same in all examples, or does "
            "not exist in this task"
        )
    raise UserError(
        f"no probes were trained for this checkpoint yet: p trains them on {probe_reports.FEW:,} "
        f"examples, P on {probe_reports.MANY:,} (slower, more certain); Escape stops them"
    )


def _probe_map(report: "ProbeReport", target: int) -> HeatMap:
    from icot_tui.analysis.conclusions import caveats, conclusion, place_words, score_words

    margins = report.margins[target]
    valid = np.broadcast_to(report.valid[target], margins.shape)
    beats, encoded = report.beats_controls[target], report.encoded[target]

    def mark(row: int, column: int) -> str:
        if not valid[row, column]:
            return GIVEN
        if not beats[row, column]:
            return ""
        return ENCODED if encoded[row, column] else READABLE

    def detail(row: int, column: int) -> str:
        where = place_words(report, row, column)
        return f"{where}: {score_words(report, target, row, column)}"

    return HeatMap(
        title="how much better a probe reads it than the best control does",
        rows=report.site_labels,
        columns=report.columns,
        values=np.where(valid, margins, np.minimum(margins, 0.1)),
        high=max(0.4, float(np.where(valid, margins, 0.0).max(initial=0.0))),
        texts=cells(margins, lambda *cell: _signed(margins[cell])),
        marks=cells(margins, mark),
        details=cells(margins, detail),
        captions=(
            conclusion(report, target),
            f"{ENCODED} encoded: readable, and patching agrees   {READABLE} readable for sure   "
            "(in brackets) proves nothing: the tokens up to there already give it away",
            *caveats(report),
            f"{report.examples:,} examples, {report.stage} tokens removed",
        ),
        start=report.cell_to_show(target),
    )


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return text.replace("0.", ".") if abs(value) < 1 else f"{value:+.1f}"


def _patching_map(report: "ProbeReport", target: int, chosen: ChosenToken) -> HeatMap:
    from icot_tui.analysis.conclusions import conclusion, place_words

    share, chance = report.patched[target], report.patched_control[target]

    def detail(row: int, column: int) -> str:
        where = place_words(report, row, column)
        if np.isnan(share[row, column]):
            return f"{where}: not patched, since no probe reads it there for sure"
        return (
            f"{where}: the answer changed as predicted in {share[row, column]:.0%} of the pairs, "
            f"by chance in {chance[row, column]:.0%}"
        )

    if not report.targets[target].testable:
        tried = "The task does not predict what the answer becomes, so nothing was patched."
    elif np.isnan(share).all():
        tried = "Nothing was patched: no probe beat its controls in a valid column."
    else:
        tried = (
            "The activation is taken from another question; a cell says how often the answer then "
            f"changed as {chosen.name} predicts. Empty cells were not tried."
        )
    encoded = report.encoded[target]
    return HeatMap(
        title="share of predicted changes when the activation is patched",
        rows=report.site_labels,
        columns=report.columns,
        values=share,
        high=1.0,
        texts=percents(share),
        marks=cells(share, lambda *cell: ENCODED if encoded[cell] else ""),
        details=cells(share, detail),
        captions=(tried, conclusion(report, target)),
        start=highest(share),
    )
