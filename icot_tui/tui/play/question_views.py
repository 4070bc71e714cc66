"""Views of one question, and of means over many: logit lens, attention, attribution."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.errors import UserError
from icot_tui.tui.play.heat import HeatMap
from icot_tui.tui.play.messages import CheckpointEntry, Chosen, Looking

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.asking import Respondent
    from icot_tui.analysis.layout import Layout
    from icot_tui.tui.play.backend import Backend

Grid = NDArray[np.float64]
AVERAGED = 100
"""Examples that attention and attribution are averaged over."""


def percent(share: float) -> str:
    """Whole percents; nothing where there is no value."""
    return "" if share != share else f"{share:.0%}"


def site_rows(sites: Sequence[str]) -> tuple[str, ...]:
    """Short names of places on the residual stream."""
    from icot_tui.analysis.hooks import site

    return tuple(site(name).short for name in sites)


def _layer(short: str) -> str:
    if short == "embed":
        return "the embeddings"
    number, part = short.split()
    return f"the middle of layer {number}" if part == "mid" else f"the end of layer {number}"


def _own_layout(respondent: "Respondent", answer: "Answer") -> "Layout":
    from icot_tui.analysis.layout import Layout

    assert answer.question.gold is not None
    return Layout.of(respondent, answer.question.gold, answer.stage)


def _column_names(
    backend: "Backend", listed: CheckpointEntry, own: "Layout", stage: int
) -> tuple[str, ...]:
    """a0, b1, ...: as the probes name them, which takes several examples to tell."""
    try:
        names = backend.layout(listed, stage).names
    except UserError:
        return own.names
    return names if len(names) == len(own.names) else own.names


def _tokens(respondent: "Respondent", layout: "Layout") -> tuple[str, ...]:
    return tuple(respondent.token_text(token) for token in layout.tokens[0].tolist())


def _place(layout: "Layout", chosen: Chosen) -> tuple[int, int]:
    """(token id of what was chosen, column of the layout in which it is said)."""
    split = layout.split
    if chosen.part != "chain":
        if chosen.place >= layout.digits:
            raise UserError("the true answer has no token at this place")
        column = layout.answer + chosen.place
        return int(layout.tokens[0, column]), column - 1
    begin = int(split.prompt_lengths[0])
    if chosen.place >= int(split.cot_lengths[0]):
        raise UserError("the true chain of thought has no token at this place")
    token = int(split.example(0)[begin + chosen.place])
    before = sum(kept < chosen.place for kept in layout.kept)
    return token, layout.separator + before


def lens(backend: "Backend", looking: Looking, answer: "Answer") -> HeatMap:
    """What the model would say at each place of this question."""
    from icot_tui.analysis.hooks import Stream
    from icot_tui.analysis.lens import LogitLens

    respondent, chosen = backend.open(looking.listed), looking.chosen
    layout = _own_layout(respondent, answer)
    token, said = _place(layout, chosen)
    ids, positions = layout.rows(np.arange(1))
    device = respondent.device
    found = LogitLens(Stream(respondent.lm)).read(
        ids.to(device), None if positions is None else positions.to(device), token
    )
    where = layout.columns[0].tolist()
    assert found.of_chosen is not None
    chances = found.of_chosen[:, where].double().cpu().numpy()
    tokens, shares = found.tokens[:, where].tolist(), found.probabilities[:, where].tolist()
    names = _column_names(backend, looking.listed, layout, answer.stage)
    rows = site_rows(found.sites)
    name = respondent.token_text(token)

    def tell(row: int, column: int) -> str:
        best = ", ".join(
            f"'{respondent.token_text(one)}' {share:.0%}"
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
        tokens=_tokens(respondent, layout),
        values=chances,
        low=0.0,
        high=1.0,
        texts=tuple(
            tuple(respondent.token_text(t[0])[:4] for t in tokens[row]) for row in range(len(rows))
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


def attention(backend: "Backend", looking: Looking, answer: "Answer") -> HeatMap:
    """Which columns the chosen one reads."""
    from icot_tui.analysis import attention as reading

    respondent, chosen = backend.open(looking.listed), looking.chosen
    layout = _own_layout(respondent, answer)
    reader = _place(layout, chosen)[1] if looking.reader is None else looking.reader
    names = _column_names(backend, looking.listed, layout, answer.stage)
    reader = min(max(reader, 0), len(names) - 1)
    if looking.averaged:
        many = backend.layout(looking.listed, answer.stage)
        if len(many.names) != len(names):
            raise UserError("this question is longer or shorter than the others: no average")
        grid = reading.mean_attention(respondent.lm, many, np.arange(min(AVERAGED, len(many))))
    else:
        ids, positions = layout.rows(np.arange(1))
        device = respondent.device
        found = reading.attention(
            respondent.lm, ids.to(device), None if positions is None else positions.to(device)
        )
        where = layout.columns[0]
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
        tokens=() if looking.averaged else _tokens(respondent, layout),
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


def _saying(looking: Looking) -> str:
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


def attribution(backend: "Backend", looking: Looking, answer: "Answer") -> HeatMap:
    """What swapping a token of the input does to the answer."""
    from icot_tui.analysis.attribution import attribute
    from icot_tui.analysis.hooks import Stream

    respondent, chosen = backend.open(looking.listed), looking.chosen
    layout = backend.layout(looking.listed, answer.stage)
    found = attribute(Stream(respondent.lm), layout, np.arange(min(AVERAGED, len(layout))))
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
