"""Tables that fill a full screen: all stages with what happened at each, and all resets."""

from collections.abc import Sequence

from icot_tui.formatting import clock, count, duration, number, percent
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.text import Line, cells, columns, line
from icot_tui.tui.run.view import RunView
from icot_tui.watch.stages import ResetFacts, StageFacts, reset_facts, stages

LONGEST_BAR, SHORTEST_BAR = 60, 8
MOST_RESETS = 100
"""Resets that are listed; the loss around each is looked up at every redraw."""
ROOMY, ALL_STAGES = 68, 76
"""From these widths on all columns of resets, and of stages, have room."""
WITH_CAUSE = 84
"""From this width on the table of resets says when and why."""
NARROW = (0, 2, 4, 5, 6)
"""Columns of the stages where they have not."""
Row = list[Line]


def timeline(view: RunView, area: Area) -> list[Line]:
    """A line for each stage: when it began, its steps and time, loss, best exact match, spikes."""
    found = stages(view.history)
    if not found:
        return []
    roomy = area.width >= ALL_STAGES
    best = "best exact match" if roomy else "best match"
    heads = ("stage", "from step", "steps", "time", "loss at end", best, "spikes")
    rows = [_heads(heads), *(_stage_row(facts, area) for facts in found)]
    if not roomy:
        rows = [[row[at] for at in NARROW] for row in rows]
    table = _right_aligned(rows)
    room = min(LONGEST_BAR, area.width - max(map(cells, table)) - 2)
    if room < SHORTEST_BAR:
        return [area.cut(each) for each in table]
    longest = max(1, *(facts.steps for facts in found))
    bars = [line(("steps at the stage", "dim")), *(_bar(one, longest, room, area) for one in found)]
    return [area.cut((*row, ("  ", ""), *bar)) for row, bar in zip(table, bars, strict=True)]


def _stage_row(facts: StageFacts, area: Area) -> Row:
    spikes = f"{facts.spikes:,}" if facts.spikes else ""
    if facts.collapses:
        spikes += f" ({count(facts.collapses, 'collapse')})"
    mark = area.glyph.arrow if facts.present else ""
    return [
        line((f"{mark}{facts.stage:,}", "bold" if facts.present else "")),
        line((f"{facts.began:,}", "dim")),
        line(f"{facts.steps:,}"),
        line(duration(facts.seconds)),
        line("" if facts.loss is None else number(facts.loss)),
        line((percent(facts.exact_match) if facts.exact_match is not None else "", "bold")),
        line((spikes, "bold error" if facts.collapses else "warning")),
    ]


def _bar(facts: StageFacts, longest: int, room: int, area: Area) -> Line:
    filled = max(1, round(room * facts.steps / longest)) if facts.steps else 0
    style = "bold error" if facts.collapses else "warning" if facts.present else "primary"
    return line((area.glyph.remaining * filled, style))


def reset_table(view: RunView, area: Area) -> list[Line]:
    """A line for each reset, the newest first: loss before and after, steps until it is as low."""
    found = reset_facts(view.history, MOST_RESETS)
    heads: tuple[str, ...] = (
        "step",
        "stage",
        "loss before",
        "highest after",
        "steps until as low",
        "at",
        "cause",
    )
    if area.width < ROOMY:
        heads = ("step", "stage", "before", "highest", "as low in")
    elif area.width < WITH_CAUSE:
        heads = heads[:5]
    rows = [_heads(heads)]
    for facts in found:
        row = [
            line((f"{facts.reset.step:,}", "bold")),
            line(f"{facts.stage:,}"),
            line("" if facts.before is None else number(facts.before)),
            line("" if facts.after is None else number(facts.after)),
            _recovered(facts, view, area.width < ROOMY),
            line((clock(facts.reset.time), "dim")),
            line(facts.reset.cause),
        ]
        rows.append(row[: len(heads)])
    lines = [area.cut(each) for each in _right_aligned(rows, left=len(heads) > 5)]
    if len(view.history.resets) > MOST_RESETS:
        lines.append(line((f"and {len(view.history.resets) - MOST_RESETS:,} earlier", "dim")))
    return lines


def _recovered(facts: ResetFacts, view: RunView, narrow: bool) -> Line:
    if facts.before is None:
        return line(("unknown", "dim"))
    if facts.recovered is not None:
        return line((f"{facts.recovered:,}", "success"))
    if narrow:
        return line(("no" if facts.over else "not yet", "warning"))
    if facts.over:
        return line(("not before the next", "warning"))
    since = view.history.summary.metrics.step - facts.reset.step
    return line((f"not in {since:,} so far", "warning"))


def _heads(names: Sequence[str]) -> Row:
    return [line((name, "dim")) for name in names]


def _right_aligned(rows: Sequence[Row], left: bool = False) -> list[Line]:
    """A table of numbers aligned at their ends; with `left`, the last column at its beginning."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    padded = [
        [
            cell if left and at == last else ((" " * (widths[at] - cells(cell)), ""), *cell)
            for at, cell in enumerate(row)
        ]
        for row in rows
    ]
    return columns(padded)
