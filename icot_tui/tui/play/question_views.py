"""Views of one question, and of means over many: logit lens, attention, attribution."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.errors import UserError
from icot_tui.tui.play.heat_map import HeatMap
from icot_tui.tui.play.records import CheckpointEntry, ChosenToken, ViewRequest

if TYPE_CHECKING:
    from icot_tui.analysis.aligned_examples import AlignedExamples
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.loaded_model import LoadedModel
    from icot_tui.tui.play.backend import Backend

Grid = NDArray[np.float64]
AVERAGED = 100
"""Examples that attention and attribution are averaged over."""


def percent(share: float) -> str:
    """Whole percents; nothing where there is no value."""
    return "" if share != share else f"{share:.0%}"


def site_rows(sites: Sequence[str]) -> tuple[str, ...]:
    """Short names of places on the residual stream."""
    from icot_tui.analysis.residual_stream import site

    return tuple(site(name).short for name in sites)


def _layer(short: str) -> str:
    if short == "embed":
        return "the embeddings"
    number, part = short.split()
    return f"the middle of layer {number}" if part == "mid" else f"the end of layer {number}"


def _own_aligned(model: "LoadedModel", answer: "Answer") -> "AlignedExamples":
    from icot_tui.analysis.aligned_examples import AlignedExamples

    assert answer.question.gold is not None
    return AlignedExamples.of(model, answer.question.gold, answer.stage)


def _column_names(
    backend: "Backend", entry: CheckpointEntry, own: "AlignedExamples", stage: int
) -> tuple[str, ...]:
    """a0, b1, ...: as the probes name them, which takes several examples to tell."""
    try:
        names = backend.aligned(entry, stage).names
    except UserError:
        return own.names
    return names if len(names) == len(own.names) else own.names


def _tokens(model: "LoadedModel", aligned: "AlignedExamples") -> tuple[str, ...]:
    return tuple(model.token_text(token) for token in aligned.tokens[0].tolist())


def _place(aligned: "AlignedExamples", chosen: ChosenToken) -> tuple[int, int]:
    """(token id of what was chosen, aligned column in which it is said)."""
    split = aligned.split
    if chosen.part != "chain":
        if chosen.place >= aligned.digits:
            raise UserError("the true answer has no token at this place")
        column = aligned.answer + chosen.place
        return int(aligned.tokens[0, column]), column - 1
    begin = int(split.prompt_lengths[0])
    if chosen.place >= int(split.cot_lengths[0]):
        raise UserError("the true chain of thought has no token at this place")
    token = int(split.example(0)[begin + chosen.place])
    before = sum(kept < chosen.place for kept in aligned.kept)
    return token, aligned.separator + before


def lens(backend: "Backend", looking: ViewRequest, answer: "Answer") -> HeatMap:
    """What the model would say at each place of this question."""
    from icot_tui.analysis.logit_lens import LogitLens
    from icot_tui.analysis.residual_stream import ResidualStream

    model, chosen = backend.open(looking.entry), looking.chosen
    aligned = _own_aligned(model, answer)
    token, said = _place(aligned, chosen)
    ids, positions = aligned.rows(np.arange(1))
    device = model.device
    found = LogitLens(ResidualStream(model.lm)).read(
        ids.to(device), None if positions is None else positions.to(device), token
    )
    where = aligned.columns[0].tolist()
    assert found.of_chosen is not None
    chances = found.of_chosen[:, where].double().cpu().numpy()
    tokens, shares = found.tokens[:, where].tolist(), found.probabilities[:, where].tolist()
    names = _column_names(backend, looking.entry, aligned, answer.stage)
    rows = site_rows(found.sites)
    name = model.token_text(token)

    def tell(row: int, column: int) -> str:
        best = ", ".join(
            f"'{model.token_text(one)}' {share:.0%}"
            for one, share in zip(tokens[row][column], shares[row][column], strict=True)
        )
        return (
            f"{_layer(rows[row])}, column {names[column]}: would say {best}; "
            f"'{name}' has {chances[row, column]:.0%}"
        )

    places = range(len(names))
    return HeatMap(
        title=f"what the model would say at each place; shaded: probability of '{name}'",
        rows=rows,
        columns=names,
        tokens=_tokens(model, aligned),
        values=chances,
        low=0.0,
        high=1.0,
        texts=tuple(
            tuple(model.token_text(t[0])[:4] for t in tokens[row]) for row in range(len(rows))
        ),
        marks=tuple(("",) * len(names) for _ in rows),
        tells=tuple(tuple(tell(row, column) for column in places) for row in range(len(rows))),
        words=(
            "The last norm and the head are put on each place of the residual stream; a cell holds "
            "the likeliest token. The true tokens are fed, whatever the model wrote.",
            f"A hint, no proof: '{name}' may be likely for another reason (one in ten digits is "
            "right by chance), and what is there may not be written in the head's directions.",
        ),
        start=(int(np.argmax(chances[:, said])), said),
    )


def attention(backend: "Backend", looking: ViewRequest, answer: "Answer") -> HeatMap:
    """Which columns the chosen one reads."""
    from icot_tui.analysis import attention as reading

    model, chosen = backend.open(looking.entry), looking.chosen
    aligned = _own_aligned(model, answer)
    reader = _place(aligned, chosen)[1] if looking.reader is None else looking.reader
    names = _column_names(backend, looking.entry, aligned, answer.stage)
    reader = min(max(reader, 0), len(names) - 1)
    if looking.averaged:
        many = backend.aligned(looking.entry, answer.stage)
        if len(many.names) != len(names):
            raise UserError("this question is longer or shorter than the others: no average")
        grid = reading.mean_attention(model.lm, many, np.arange(min(AVERAGED, len(many))))
    else:
        ids, positions = aligned.rows(np.arange(1))
        device = model.device
        found = reading.attention(
            model.lm, ids.to(device), None if positions is None else positions.to(device)
        )
        where = aligned.columns[0]
        grid = found[:, 0].double().numpy()[:, :, where[:, None], where[None]]
    shares = grid[:, :, reader]  # [layers, heads, C]
    rows, values = _by_head(shares) if looking.heads else _by_layer(shares)
    values[:, reader + 1 :] = np.nan  # nobody reads what comes after
    kind = f"mean of {AVERAGED} examples" if looking.averaged else "this question"

    def tell(row: int, column: int) -> str:
        head = f"layer {rows[row].replace('.', ', head ')}"
        if column > reader:
            return f"{head}: column {names[column]} comes after {names[reader]}"
        share = f"{values[row, column]:.1%} of its attention"
        return f"{head}: {names[reader]} gives {names[column]} {share}"

    columns = range(len(names))
    return HeatMap(
        title=f"which columns {names[reader]} reads ({kind})",
        rows=rows,
        columns=names,
        tokens=() if looking.averaged else _tokens(model, aligned),
        values=values,
        low=0.0,
        high=max(0.3, float(np.nanmax(values))),
        texts=tuple(tuple(percent(value) for value in row) for row in values.tolist()),
        marks=tuple(("",) * len(names) for _ in rows),
        tells=tuple(tuple(tell(row, column) for column in columns) for row in range(len(rows))),
        words=(
            f"Rows are {'heads (layer.head)' if looking.heads else 'layers, the mean of the heads'}"
            f"; each adds up to 100 %. Column {names[reader]} reads" + _saying(looking),
            "What a position reads is no proof of what it takes from there.",
        ),
        start=_highest(values),
        reader=reader,
    )


def _saying(looking: ViewRequest) -> str:
    if looking.reader is not None:
        return "."
    hidden = looking.chosen.hidden
    return ": there the hidden token would have been said." if hidden else ", and says the token."


def _by_head(shares: Grid) -> tuple[tuple[str, ...], Grid]:
    layers, heads, width = shares.shape
    names = tuple(f"{layer + 1}.{head + 1}" for layer in range(layers) for head in range(heads))
    return names, shares.reshape(layers * heads, width).copy()


def _by_layer(shares: Grid) -> tuple[tuple[str, ...], Grid]:
    return tuple(str(layer + 1) for layer in range(len(shares))), shares.mean(axis=1)


def _highest(values: Grid) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.nan_to_num(values, nan=-1.0).argmax()), values.shape)
    return int(row), int(column)


def attribution(backend: "Backend", looking: ViewRequest, answer: "Answer") -> HeatMap:
    """What swapping a token of the input does to the answer."""
    from icot_tui.analysis.attribution import attribute
    from icot_tui.analysis.residual_stream import ResidualStream

    model, chosen = backend.open(looking.entry), looking.chosen
    aligned = backend.aligned(looking.entry, answer.stage)
    found = attribute(ResidualStream(model.lm), aligned, np.arange(min(AVERAGED, len(aligned))))
    if not found.columns:
        raise UserError("all examples have the same input: there is nothing to swap")
    values = found.size.T  # [K, I]
    mine = chosen.place if chosen.part != "chain" and chosen.place < len(values) else None

    def tell(row: int, column: int) -> str:
        return (
            f"another token at {found.columns[column]}: the right {found.digits[row]} moves by "
            f"{values[row, column]:.2f} (falls by {found.logit[column, row]:.2f}); another token "
            f"wins in {found.changed[column, row]:.0%} of the examples"
        )

    rows, columns = range(len(found.digits)), range(len(found.columns))
    start = _highest(values) if mine is None else (mine, int(values[mine].argmax()))
    about = (
        "Rows are the answer's tokens: what a swap does to a hidden token can't be seen by itself."
        if chosen.part == "chain"
        else f"The cursor begins in the row of {found.digits[start[0]]}."
    )
    return HeatMap(
        title="how far the right answer token's logit moves when an input token is another one",
        rows=tuple(found.digits),
        columns=found.columns,
        tokens=(),
        values=values,
        low=0.0,
        high=float(values.max(initial=0.0)),
        texts=tuple(tuple(f"{value:.1f}" for value in row) for row in values.tolist()),
        marks=tuple(tuple("" for _ in columns) for _ in rows),
        tells=tuple(tuple(tell(row, column) for column in columns) for row in rows),
        words=(
            f"Mean of {found.examples} examples; the true answer is fed before each token. {about}",
            "It shows what a digit depends on, not where in the network that is held.",
        ),
        start=start,
    )
