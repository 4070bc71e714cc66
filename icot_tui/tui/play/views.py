"""The views of a hidden position as heat maps: those that come from probes are made here."""

from typing import TYPE_CHECKING

import numpy as np

from icot_tui.errors import UserError
from icot_tui.tui.play import probe_reports
from icot_tui.tui.play.heat_map import ENCODED, READ, TOLD, HeatMap
from icot_tui.tui.play.question_views import attention, attribution, lens, percent, site_rows
from icot_tui.tui.play.records import VIEWS, ChosenToken, ViewRequest
from icot_tui.tui.play.thought_view import thoughts

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.probe_report import ProbeReport
    from icot_tui.tui.play.backend import Backend


def heat_map(backend: "Backend", looking: ViewRequest, answer: "Answer") -> HeatMap:
    """The map that is wanted.

    Raises:
        UserError: this question, or this model, has no such map, or not yet.
    """
    if looking.view == "thoughts":
        return thoughts(backend, looking, answer)
    if looking.entry.is_pair:
        raise UserError(
            "ICoT-KD's pair holds its thought in what the emulator foretells of each layer, which "
            f"{VIEWS.index('thoughts') + 1} shows: the other views are for models that think alone"
        )
    if looking.view in ("probe", "patching"):
        return _of_probes(backend, looking, answer)
    if looking.view == "attribution":
        return attribution(backend, looking, answer)
    if answer.question.gold is None:
        raise UserError(
            "nobody knows the true answer of this question, so that it can't be fed to the model: "
            "ask one of the run's task"
        )
    if looking.view == "lens":
        return lens(backend, looking, answer)
    return attention(backend, looking, answer)


# Probes and patching ----------------------------------------------------------------------------


def _of_probes(backend: "Backend", looking: ViewRequest, answer: "Answer") -> HeatMap:
    chosen, path = looking.chosen, looking.entry.path
    found = probe_reports.find(path, answer.stage, chosen.name)
    if found is not None:
        patched = looking.view == "patching"
        return _patching_map(*found, chosen) if patched else _probe_map(*found, chosen)
    if chosen.part == "chain" and not chosen.hidden:
        raise UserError("the model writes this token: probes look for hidden ones and for digits")
    if not answer.hidden:
        raise UserError(
            "no chain-of-thought token is hidden at this stage: choose a checkpoint that has "
            "removed some"
        )
    if probe_reports.kept(path, answer.stage):
        raise UserError(
            f"there is nothing to probe for: {chosen.name} is the same in all examples, or the "
            "task has no such thing"
        )
    raise UserError(
        f"no probes were trained for this checkpoint yet: p trains them on {probe_reports.FEW:,} "
        f"examples, P on {probe_reports.MANY:,}, which is slower and surer; Escape stops them"
    )


def _probe_map(report: "ProbeReport", target: int, chosen: ChosenToken) -> HeatMap:
    from icot_tui.analysis.conclusions import caveats, cell_to_tell, verdict

    margins = report.margins[target]
    counts = np.broadcast_to(report.counts[target], margins.shape)
    marks = _marks(report, target)
    texts = tuple(tuple(_signed(value) for value in row) for row in margins.tolist())
    return HeatMap(
        title="how much better a probe reads it than its best control does",
        rows=site_rows(report.sites),
        columns=report.columns,
        tokens=(),
        values=np.where(counts, margins, np.minimum(margins, 0.1)),
        low=0.0,
        high=max(0.4, float(np.where(counts, margins, 0.0).max(initial=0.0))),
        texts=texts,
        marks=marks,
        tells=tuple(
            tuple(_tell_probe(report, target, row, column) for column in range(len(report.columns)))
            for row in range(len(report.sites))
        ),
        words=(
            verdict(report, target),
            f"{ENCODED} encoded: read, and patching agrees   {READ} surely read   (in brackets) "
            "proves nothing: what was fed up to there tells it already",
            *caveats(report),
            f"{report.examples:,} examples, {report.stage} tokens removed",
        ),
        start=cell_to_tell(report, target),
    )


def _marks(report: "ProbeReport", target: int) -> tuple[tuple[str, ...], ...]:
    def mark(row: int, column: int) -> str:
        if not report.counts[target, 0, column]:
            return TOLD
        if not report.read[target, row, column]:
            return ""
        return ENCODED if report.encoded[target, row, column] else READ

    columns = range(len(report.columns))
    return tuple(tuple(mark(row, column) for column in columns) for row in range(len(report.sites)))


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return text.replace("0.", ".") if abs(value) < 1 else f"{value:+.1f}"


def _tell_probe(report: "ProbeReport", target: int, row: int, column: int) -> str:
    from icot_tui.analysis.conclusions import CONTROL_WORDS, place_words, score_words

    controls = {name: float(grid[target, row, column]) for name, grid in report.controls.items()}
    best = max(controls, key=lambda name: controls[name])
    score = score_words(report, target, float(report.scores[target, row, column]))
    against = score_words(report, target, controls[best])
    return f"{place_words(report, row, column)}: {score}; {CONTROL_WORDS[best]}: {against}"


def _patching_map(report: "ProbeReport", target: int, chosen: ChosenToken) -> HeatMap:
    from icot_tui.analysis.conclusions import place_words, verdict

    share, chance = report.patched[target], report.patched_control[target]
    sites, columns = range(len(report.sites)), range(len(report.columns))

    def tell(row: int, column: int) -> str:
        where = place_words(report, row, column)
        if np.isnan(share[row, column]):
            return f"{where}: not patched, since no probe reads it there for sure"
        return (
            f"{where}: the answer changed as predicted in {share[row, column]:.0%} of the pairs, "
            f"by chance in {chance[row, column]:.0%}"
        )

    if not report.targets[target].testable:
        tried = "The task does not say what the answer should become, so nothing was patched."
    elif np.isnan(share).all():
        tried = "Nothing was patched: no probe beat its controls where reading counts."
    else:
        tried = (
            "The activation is taken from another question; a cell says how often the answer then "
            f"changed as {chosen.name} says it should. Empty cells were not tried."
        )
    start = np.unravel_index(int(np.nan_to_num(share, nan=-1.0).argmax()), share.shape)
    return HeatMap(
        title="share of predicted changes when the activation is patched",
        rows=site_rows(report.sites),
        columns=report.columns,
        tokens=(),
        values=share,
        low=0.0,
        high=1.0,
        texts=tuple(tuple(percent(value) for value in row) for row in share.tolist()),
        marks=tuple(
            tuple(ENCODED if report.encoded[target, r, c] else "" for c in columns) for r in sites
        ),
        tells=tuple(tuple(tell(row, column) for column in columns) for row in sites),
        words=(tried, verdict(report, target)),
        start=(int(start[0]), int(start[1])),
    )
