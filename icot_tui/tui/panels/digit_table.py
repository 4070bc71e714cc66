"""Accuracy of each answer digit at each stage, as a heat map with the percentages in its cells."""

import numpy as np

from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.curves import digit_shares
from icot_tui.tui.panels.example import lowest_first, task_of
from icot_tui.tui.panels.text import Line, Piece, level, line, whole_percents
from icot_tui.tui.run.view import RunView

CELL = 4
"""Cells of a stage; one where so many stages have no room."""
LABEL = 13
GOOD, FAIR = 0.95, 0.5
"""Shares from which on a cell is green, or yellow."""


def digit_table(view: RunView, area: Area) -> list[Line]:
    """A row for each digit, a column for each stage: its last evaluation."""
    by_stage = {each.result.stage: each for each in view.history.evaluations}
    stages = sorted(by_stage)
    shares = digit_shares([by_stage[stage] for stage in stages])
    if not shares.size or not stages:
        return []
    room = max(1, area.width - LABEL)
    wide = CELL if len(stages) * CELL <= room or area.ascii else 1
    left_out = max(0, len(stages) - room // wide)
    stages, shares = stages[left_out:], shares[left_out:]
    task = task_of(view.history.summary.config)
    what = "digit" if task else "answer token"
    said = f"Each {what} in %, after the right ones, at each stage's last evaluation"
    said += f"; {left_out:,} earlier stages are left out" if left_out else ""
    lines = [area.cut(line((f"{said}.", "dim")))]
    if wide == CELL:
        names = "".join(f"{stage:>{CELL - 1}} " for stage in stages)
        lines.append(line((f"{'stage':<{LABEL}}", "dim"), (names, "dim")))
    else:
        span = f"stages {stages[0]:,} to {stages[-1]:,}"
        lines.append(line((f"{'':<{LABEL}}", ""), (span, "dim")))
    backwards = lowest_first(task)
    for at, row in enumerate(shares.T):
        name = f"{what} {at + 1}" if what == "digit" else f"token {at + 1}"
        name += " ones" if backwards and at == 0 else ""
        cells = [_cell(float(share), wide, area) for share in row]
        lines.append(((f"{name:<{LABEL}}"[:LABEL], "dim"), *cells))
    return lines


def _cell(share: float, wide: int, area: Area) -> Piece:
    if np.isnan(share):
        return " " * wide, "dim"
    style = "success" if share >= GOOD else "warning" if share >= FAIR else "error"
    if wide == 1:
        return level(share, area.glyph), style
    text = f"{whole_percents(share)}".rjust(CELL - 1)
    return f"{text} ", style if area.plain else f"{style} reverse"
