"""The view of ICoT-KD's pair: each layer's emulated thought beside the teacher's."""

from typing import TYPE_CHECKING

import numpy as np

from icot_tui.tui.play.heat_map import LABEL, HeatMap
from icot_tui.tui.play.records import ViewRequest

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.emulation import LayerThought
    from icot_tui.tui.play.backend import Backend

COLUMNS = ("own", "before", "others", "guess")
FAR = 2.0
"""Distance of unrelated thoughts."""


def thoughts(backend: "Backend", looking: ViewRequest, answer: "Answer") -> HeatMap:
    """Distances by layer, with their controls.

    Raises:
        UserError: this is no pair, or the teacher or its thought is not known.
    """
    from icot_tui.analysis.emulation import summary

    comparison = backend.thoughts(looking.entry)
    layers = comparison.of(answer.question)
    found = [[o.here.own, o.here.before, o.others, o.here.guess] for o in layers]
    values = np.array(found, dtype=np.float64)  # NaN for None
    return HeatMap(
        title="how far the emulated thought is from the teacher's, layer by layer",
        rows=tuple(_label(one) for one in layers),
        columns=COLUMNS,
        tokens=(),
        values=values,
        low=0.0,
        high=FAR,
        texts=tuple(tuple(map(_short, row)) for row in values.tolist()),
        marks=tuple(("",) * len(COLUMNS) for _ in layers),
        tells=tuple(_tells(one, comparison.examples) for one in layers),
        words=(
            summary(layers, comparison.examples),
            "A row is a layer, with the token that the teacher read where its thought was taken. "
            "A cell is a distance: 0 the same thought, about 2 unrelated ones.",
            "own: emulated from the teacher's; before: as its own training left the emulator; "
            "others: emulated from the teacher's about other questions; guess: the mean of its "
            "thoughts from the teacher's, as good as one can do without the question. Only what "
            "is below guess is foretold.",
            "Coupled training asks for right answers alone: from then on the emulator is free to "
            "think otherwise than the teacher.",
        ),
    )


def _short(distance: float) -> str:
    """In four characters; nothing where there is none."""
    if distance != distance:
        return ""
    if distance >= 1000:
        return ">999"
    return f"{distance:.{2 if distance < 10 else 1 if distance < 100 else 0}f}"


def _label(one: "LayerThought") -> str:
    read = one.token if one.place.startswith("z") else one.place
    return f"{one.layer} {read}"[: LABEL - 1]


def _tells(one: "LayerThought", examples: int) -> tuple[str, ...]:
    read = {"SEP": "the separator before", "SEP2": "the separator after"}.get(one.place)
    read = f"{read} its chain of thought" if read else f"'{one.token}', token {one.place[1:]}"
    where = f"layer {one.layer}, where the teacher read {read}"
    many, here, average = f"over {examples:,} questions", one.here, one.average
    before = "the emulator of before the coupled training is gone"
    if here.before is not None:
        before = f"it was {here.before:.3f} before the two were coupled"
        before += f" ({average.before:.3f} {many})"
    return (
        f"{where}: the emulated thought is {here.own:.3f} from it ({average.own:.3f} {many})",
        f"{where}: {before}",
        f"{where}: the emulated thought is {one.others:.3f} from those about other questions",
        f"{where}: the mean thought is {here.guess:.3f} from it ({average.guess:.3f} {many})",
    )
