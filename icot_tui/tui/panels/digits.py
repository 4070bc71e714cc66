"""Which digits of the answer hold and which fell, as one line of small bars."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from icot_tui.config import RunConfig
from icot_tui.engine.journal.summary import Evaluation
from icot_tui.formatting import listed
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.curves import digit_shares
from icot_tui.tui.panels.example import task_of
from icot_tui.tui.panels.text import Line, Piece, cells, cut, level, line

FELL = 0.1
"""A digit that is right less often than it was, by more than this share, has fallen."""
HOLDS = 0.95
LOOKED_BACK = 50
"""Evaluations that the present one is compared with."""


def digits_line(evaluations: Sequence[Evaluation], config: RunConfig | None, area: Area) -> Line:
    """`digits  1 ▇  2 ▃↓  3 ▅`, the fallen ones marked; without the numbers where it is narrow."""
    table = digit_shares(evaluations[-LOOKED_BACK:])
    if not table.size:
        return ()
    now = np.nan_to_num(table[-1])
    best = np.nan_to_num(np.fmax.reduce(table, axis=0))
    fell = best - now > FELL
    what = "digits" if task_of(config) else "answer tokens"
    what += " %" if area.ascii else ""
    roomy: list[Piece] = [(f"{what} ", "dim")]
    for at, (share, has_fallen) in enumerate(
        zip(now.tolist(), fell.tolist(), strict=True), start=1
    ):
        sign = area.glyph.down if has_fallen else ""
        roomy += [(f" {at} ", "dim"), (level(share, area.glyph) + sign, _style(share, has_fallen))]
    if cells(tuple(roomy)) <= area.width:
        return tuple(roomy)
    return _narrow(now, fell, what, area)


def _style(share: float, has_fallen: bool) -> str:
    return "bold error" if has_fallen else "success" if share >= HOLDS else ""


def _narrow(now: NDArray[np.float64], fell: NDArray[np.bool_], what: str, area: Area) -> Line:
    """Bars without numbers; which fell is told behind them."""
    gap = " " if area.ascii else ""
    bars = [
        (level(share, area.glyph) + gap, _style(share, has_fallen))
        for share, has_fallen in zip(now.tolist(), fell.tolist(), strict=True)
    ]
    fallen = [str(at) for at in (np.flatnonzero(fell) + 1).tolist()]
    told = f" {area.glyph.down} {listed(fallen)}" if fallen else ""
    pieces = line(f"{what} ", *bars, (told, "error"))
    if cells(pieces) > area.width:
        pieces = line(*bars, (told, "error"))
    return cut(pieces, area.width, area.glyph.ellipsis)
