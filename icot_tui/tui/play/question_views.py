"""Heat maps made of the model itself: lens, attention, attribution, a pair's thoughts."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.errors import UserError
from icot_tui.formatting import whole_share
from icot_tui.tui.play.heat_map import LABEL, HeatMap, cells, highest, no_marks, percents
from icot_tui.tui.play.legend import equals_answer, legend, meaning
from icot_tui.tui.play.probe_reports import probe_map
from icot_tui.tui.play.records import VIEWS, ChosenToken, ViewRequest

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.emulation import LayerThought
    from icot_tui.analysis.examples import AlignedExamples
    from icot_tui.analysis.loaded_model import LoadedModel
    from icot_tui.tui.play.backend import Backend

AVERAGED = 100
"""Examples that attention and attribution are averaged over."""


def heat_map(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    """The heat map that is asked for, with a legend of its columns and rows.

    Raises:
        UserError: the checkpoint, its run's data or the question do not allow it.
    """
    if request.view == "thoughts":
        return thoughts(backend, request, answer)
    heat, alike = _view(backend, request, answer), ""
    with suppress(UserError):  # examples of several shapes: nothing can be said of all
        alike = equals_answer(request.chosen, backend.aligned(request.entry, answer.stage))
    first, *others = heat.captions
    names = legend(heat.columns, heat.rows, request.lowest_first)
    captions = (first, *filter(None, (alike,)), *others, names)
    meanings = tuple(meaning(name, request.lowest_first) for name in heat.columns)
    return replace(heat, captions=captions, meanings=meanings)


def _view(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    if request.entry.is_pair:
        raise UserError(
            "ICoT-KD's pair holds its thought in the states that the emulator predicts, which "
            f"view {VIEWS.index('thoughts') + 1} shows: the other views are for single models"
        )
    if request.view in ("probe", "patching"):
        return probe_map(request, answer)
    if request.view == "attribution":
        return attribution(backend, request, answer)
    if answer.question.gold is None:
        raise UserError(
            "the correct answer to this question is unknown, so it can't be fed to the model: "
            "ask a question of the run's task"
        )
    return (lens if request.view == "lens" else attention)(backend, request, answer)


def _own(
    backend: "Backend", request: ViewRequest, answer: "Answer"
) -> "tuple[LoadedModel, AlignedExamples, tuple[str, ...]]":
    """The model, this question, and its columns as the probes name them: a0, b1, ..."""
    from icot_tui.analysis.examples import AlignedExamples

    assert answer.question.gold is not None
    model = backend.open(request.entry)
    own = AlignedExamples(model, answer.question.gold, answer.stage)
    with suppress(UserError):
        names = backend.aligned(request.entry, answer.stage).names  # found out from several
        if len(names) == len(own.names):
            return model, own, names
    return model, own, own.names


def _tokens(model: "LoadedModel", aligned: "AlignedExamples") -> tuple[str, ...]:
    return tuple(map(model.token_text, aligned.tokens[0].tolist()))


def _place(aligned: "AlignedExamples", chosen: ChosenToken) -> tuple[int, int]:
    """(id of the chosen token, column that predicts it)."""
    if chosen.part != "chain":
        if chosen.place >= aligned.digits:
            raise UserError("the correct answer has no token at this place")
        column = aligned.answer + chosen.place
        return int(aligned.tokens[0, column]), column - 1
    split = aligned.split
    if chosen.place >= int(split.cot_lengths[0]):
        raise UserError("the correct chain of thought has no token at this place")
    token = int(split.example(0)[int(split.prompt_lengths[0]) + chosen.place])
    return token, aligned.separator + sum(kept < chosen.place for kept in aligned.kept)


def lens(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    """What the model would predict from each place of this question."""
    from icot_tui.analysis.inside import LogitLens
    from icot_tui.models.residual_stream import ResidualStream

    model, aligned, names = _own(backend, request, answer)
    token, predicting = _place(aligned, request.chosen)
    found = LogitLens(ResidualStream(model.lm)).read(*aligned.inputs(np.arange(1)), token)
    columns = aligned.columns[0].tolist()
    shares = found.of_chosen[:, columns].double().cpu().numpy()
    best, best_shares = found.tokens[:, columns].tolist(), found.probabilities[:, columns].tolist()
    sites, name = found.sites, model.token_text(token)

    def detail(row: int, column: int) -> str:
        likely = ", ".join(
            f"'{model.token_text(one)}' {whole_share(share)}"
            for one, share in zip(best[row][column], best_shares[row][column], strict=True)
        )
        return (
            f"{sites[row].words}, column {names[column]}: predicts {likely}; "
            f"'{name}' has {whole_share(shares[row, column])}"
        )

    return HeatMap(
        title=f"what the model would predict at each place; shaded: probability of '{name}'",
        rows=tuple(site.short for site in sites),
        columns=names,
        tokens=_tokens(model, aligned),
        values=shares,
        high=1.0,
        texts=cells(shares, lambda row, column: model.token_text(best[row][column][0])[:4]),
        marks=no_marks(shares),
        details=cells(shares, detail),
        captions=(
            "The model's final norm and head are applied at each place of the residual stream; a "
            "cell holds the most likely token. The correct tokens are fed, whatever the model "
            "wrote.",
            f"Not proof: '{name}' may be likely for another reason (one in ten digits is "
            "right by chance), and what is present need not lie in the head's directions.",
        ),
        start=(int(np.argmax(shares[:, predicting])), predicting),
    )


def attention(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    """Which columns the chosen one attends to."""
    model, aligned, names = _own(backend, request, answer)
    reader = _place(aligned, request.chosen)[1] if request.reader is None else request.reader
    reader = min(max(reader, 0), len(names) - 1)
    weights = _attention(backend, request, answer, aligned)[:, :, reader]  # [layers, heads, C]
    if request.heads:
        layers, heads, width = weights.shape
        rows = [f"{layer + 1}.{head + 1}" for layer in range(layers) for head in range(heads)]
        values = weights.reshape(layers * heads, width).copy()
    else:
        rows, values = [str(layer + 1) for layer in range(len(weights))], weights.mean(axis=1)
    values[:, reader + 1 :] = np.nan  # later positions can't be attended to

    def detail(row: int, column: int) -> str:
        head = f"layer {rows[row].replace('.', ', head ')}"
        if column > reader:
            return f"{head}: column {names[column]} comes after {names[reader]}"
        share = f"{values[row, column]:.1%} of its attention"
        return f"{head}: {names[reader]} gives {names[column]} {share}"

    predicts = "would predict the hidden" if request.chosen.hidden else "predicts the"
    what = f", which {predicts} token" if request.reader is None else ""
    kind = f"mean of {AVERAGED} examples" if request.averaged else "this question"
    row_kind = "heads (layer.head)" if request.heads else "layers, the mean of their heads"
    return HeatMap(
        title=f"which columns {names[reader]} attends to ({kind})",
        rows=tuple(rows),
        columns=names,
        tokens=() if request.averaged else _tokens(model, aligned),
        values=values,
        high=max(0.3, float(np.nanmax(values))),
        texts=percents(values),
        marks=no_marks(values),
        details=cells(values, detail),
        captions=(
            f"Rows are {row_kind}; each adds up to 100 %. Shown is the attention of column "
            f"{names[reader]}{what}.",
            "That a position attends to another is no proof that it uses what is there.",
        ),
        start=highest(values),
        reader=reader,
    )


def _attention(
    backend: "Backend", request: ViewRequest, answer: "Answer", own: "AlignedExamples"
) -> NDArray[np.float64]:
    """[layers, heads, query C, key C] of this question, or averaged over examples."""
    from icot_tui.analysis.inside import mean_attention

    lm = backend.open(request.entry).lm
    if not request.averaged:
        return mean_attention(lm, own, np.arange(1))
    many = backend.aligned(request.entry, answer.stage)
    if len(many.names) != len(own.names):
        raise UserError("this question is longer or shorter than the others: no average")
    return mean_attention(lm, many, np.arange(min(AVERAGED, len(many))))


def attribution(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    """What swapping a token of the input does to the answer."""
    from icot_tui.analysis.inside import attribute
    from icot_tui.models.residual_stream import ResidualStream

    model, chosen = backend.open(request.entry), request.chosen
    aligned = backend.aligned(request.entry, answer.stage)
    found = attribute(ResidualStream(model.lm), aligned, np.arange(min(AVERAGED, len(aligned))))
    if not found.columns:
        raise UserError("all examples have the same input: there is nothing to swap")
    values = found.size.T  # [K, I]
    own_row = chosen.part != "chain" and chosen.place < len(values)
    start = (chosen.place, int(values[chosen.place].argmax())) if own_row else highest(values)

    def detail(row: int, column: int) -> str:
        return (
            f"another token at {found.columns[column]}: the logit of the right {found.digits[row]} "
            f"moves by {values[row, column]:.2f} (falls by {found.logit[column, row]:.2f}); "
            f"another token wins in {whole_share(found.changed[column, row])} of the examples"
        )

    about = (
        "Rows are the answer's tokens: the effect of a swap on a hidden token can't be measured."
        if chosen.part == "chain"
        else f"The cursor starts in the row of {found.digits[start[0]]}."
    )
    return HeatMap(
        title="how far the correct answer token's logit moves when an input token is swapped",
        rows=found.digits,
        columns=found.columns,
        values=values,
        high=float(values.max(initial=0.0)),
        texts=cells(values, lambda *cell: f"{values[cell]:.1f}"),
        marks=no_marks(values),
        details=cells(values, detail),
        captions=(
            f"Mean of {found.examples} examples; the correct answer is fed before each token. "
            f"{about}",
            "It shows what a digit depends on, not where in the network it is held.",
        ),
        start=start,
    )


COLUMNS = ("own", "before", "others", "guess")
FAR = 2.0
"""Distance of unrelated thoughts."""


def thoughts(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    """Distances by layer, with their controls."""
    from icot_tui.analysis.emulation import summary

    comparison = backend.thoughts(request.entry)
    layers = comparison.of(answer.question)
    found = [[one.here.own, one.here.before, one.others, one.here.guess] for one in layers]
    values = np.array(found, dtype=np.float64)  # NaN for None
    rows = [(one.layer, one.token if one.place[0] == "z" else one.place) for one in layers]
    return HeatMap(
        title="how far the emulated thought is from the teacher's, layer by layer",
        rows=tuple(f"{layer} {read}"[: LABEL - 1] for layer, read in rows),
        columns=COLUMNS,
        values=values,
        high=FAR,
        texts=cells(values, lambda *cell: _short(values[cell])),
        marks=no_marks(values),
        details=tuple(_details(one, comparison.examples) for one in layers),
        captions=(
            summary(layers, comparison.examples),
            "A row is a layer, with the token that the teacher read where its thought was taken. "
            "A cell is a distance: 0 means the same thought, about 2 unrelated ones.",
            "own: from the emulated thought to the teacher's; before: the same for the emulator as "
            "its own training left it; others: from the emulated thought to the teacher's about "
            "other questions; guess: from the mean of the teacher's thoughts, the best guess "
            "without the question. Only what is below guess is predicted from the question.",
            "Coupled training asks for correct answers only, so from then on the emulator's "
            "thoughts may depart from the teacher's.",
        ),
    )


def _short(distance: float) -> str:
    """In four characters; nothing where there is none."""
    if distance != distance:
        return ""
    if distance >= 1000:
        return ">999"
    return f"{distance:.{2 if distance < 10 else 1 if distance < 100 else 0}f}"


def _details(one: "LayerThought", examples: int) -> tuple[str, ...]:
    separator = {"SEP": "before", "SEP2": "after"}.get(one.place)
    read = f"'{one.token}', token {one.place[1:]}"
    if separator:
        read = f"the separator {separator} its chain of thought"
    where = f"layer {one.layer}, where the teacher read {read}"
    many, here, average = f"over {examples:,} questions", one.here, one.average
    before = "the emulator as it was before coupling is gone"
    if here.before is not None:
        before = f"it was {here.before:.3f} before coupling ({average.before:.3f} {many})"
    return (
        f"{where}: the emulated thought is {here.own:.3f} from it ({average.own:.3f} {many})",
        f"{where}: {before}",
        f"{where}: the emulated thought is {one.others:.3f} from those about other questions",
        f"{where}: the mean thought is {here.guess:.3f} from it ({average.guess:.3f} {many})",
    )
