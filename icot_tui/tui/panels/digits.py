"""How often each digit of the answer is right, as one line of small bars."""

from collections.abc import Sequence

import numpy as np

from icot_tui.config import RunConfig
from icot_tui.engine.journal.summary import Evaluation
from icot_tui.formatting import listed
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.curves import digit_shares
from icot_tui.tui.panels.example import task_of
from icot_tui.tui.panels.text import Line, cells, cut, level, line

FELL = 0.1
"""A digit has fallen if it is right less often than it was at best by more than this share."""
HOLDS = 0.95
COMPARED = 50
"""Evaluations that the latest one is compared with."""


def digits_line(evaluations: Sequence[Evaluation], config: RunConfig | None, area: Area) -> Line:
    """`digits  1 ▇  2 ▃↓  3 ▅`, the fallen ones marked; without the numbers where it is narrow."""
    table = digit_shares(evaluations[-COMPARED:])
    if not table.size:
        return ()
    now = np.nan_to_num(table[-1])
    fell = (np.nan_to_num(np.fmax.reduce(table, axis=0)) - now > FELL).tolist()
    what = "digits" if task_of(config) else "answer tokens"
    what += " %" if area.ascii else ""
    down, gap = area.glyph.down, " " if area.ascii else ""
    roomy, narrow = [(f"{what} ", "dim")], []
    for at, (share, has_fallen) in enumerate(zip(now.tolist(), fell, strict=True), start=1):
        style = "bold error" if has_fallen else "success" if share >= HOLDS else ""
        bar = level(share, area.glyph)
        roomy += [(f" {at} ", "dim"), (bar + down * has_fallen, style)]
        narrow.append((bar + gap, style))
    if cells(tuple(roomy)) <= area.width:
        return tuple(roomy)
    fallen = listed([str(at) for at, has_fallen in enumerate(fell, start=1) if has_fallen])
    bars = line(*narrow, (f" {down} {fallen}" if fallen else "", "error"))
    named = (*line(f"{what} "), *bars)
    return cut(named if cells(named) <= area.width else bars, area.width, area.glyph.ellipsis)
