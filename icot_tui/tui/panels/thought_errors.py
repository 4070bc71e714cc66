"""The error of an emulator against the teacher: a bar for each block."""

from collections.abc import Sequence

from icot_tui.engine.journal.events import ThoughtsCompared
from icot_tui.engine.journal.wording import decimal
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.text import EMPTY, Line, bar, cells, columns, line, wrapped

SMALLEST_BAR, LARGEST_BAR = 3, 24


def thought_error_lines(thoughts: Sequence[ThoughtsCompared], area: Area) -> list[Line]:
    """The latest error of each block as a share of the largest, and the first one."""
    if not thoughts:
        text = (
            "Once the emulator trains, its error against the teacher appears here, block by block."
        )
        return wrapped(text, area.width, "dim")
    first, last = thoughts[0].blocks, thoughts[-1].blocks
    most = max((error for error in [*first, *last] if error is not None), default=0.0) or 1.0
    numbers = [line(("now", "dim")), *(line((decimal(error), "bold")) for error in last)]
    before = [line(("first", "dim")), *(line((decimal(error), "dim")) for error in first)]
    names = [EMPTY, *(line((f"{at}", "dim")) for at in range(1, len(last) + 1))]
    beside = columns(list(zip(names, numbers, before, strict=False)), gap=1)
    room = area.width - max(map(cells, beside)) - 1
    room = max(SMALLEST_BAR, min(LARGEST_BAR, room))
    bars = [EMPTY, *(bar((error or 0.0) / most, room, area.glyph) for error in last)]
    lines = [
        line(("by block, ", "dim"), f"step {thoughts[-1].step:,}"),
        *columns(list(zip(names, bars, numbers, before, strict=False)), gap=1),
    ]
    note = wrapped("0 is the teacher's own state.", area.width, "dim")
    return [*lines, EMPTY, *note] if len(lines) + len(note) < area.height else lines
