"""The view of ICoT-KD's pair: each layer's emulated thought beside the teacher's."""

from typing import TYPE_CHECKING

import numpy as np

from icot_tui.tui.play.heat_map import LABEL, HeatMap, cells, no_marks
from icot_tui.tui.play.records import ViewRequest

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.emulation import LayerThought
    from icot_tui.tui.play.backend import Backend

COLUMNS = ("own", "before", "others", "guess")
FAR = 2.0
"""Distance of unrelated thoughts."""


def thoughts(backend: "Backend", request: ViewRequest, answer: "Answer") -> HeatMap:
    """Distances by layer, with their controls.

    Raises:
        UserError: this is no pair, or the teacher or its thought is not known.
    """
    from icot_tui.analysis.emulation import summary

    comparison = backend.thoughts(request.entry)
    layers = comparison.of(answer.question)
    found = [[one.here.own, one.here.before, one.others, one.here.guess] for one in layers]
    values = np.array(found, dtype=np.float64)  # NaN for None
    return HeatMap(
        title="how far the emulated thought is from the teacher's, layer by layer",
        rows=tuple(_label(one) for one in layers),
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


def _label(one: "LayerThought") -> str:
    read = one.token if one.place.startswith("z") else one.place
    return f"{one.layer} {read}"[: LABEL - 1]


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
