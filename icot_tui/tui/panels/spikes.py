"""Loss spikes, the newest first: the removal that caused each, and its outcome."""

from collections.abc import Hashable, Sequence
from statistics import median

from icot_tui.engine.journal.summary import Metrics, SpikeSummary
from icot_tui.formatting import count, listed, signed, whole_percent
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.curves import rollback_steps
from icot_tui.tui.panels.methods import removes
from icot_tui.tui.panels.text import Line, columns, line, paragraph
from icot_tui.tui.run.view import RunView
from icot_tui.watch.estimates import SpikeNow, spike_now

MOST = 100
"""Spikes that are listed; the list is redrawn at each step while the newest is open."""
WIDE = 44
"""From this width on the table has headings and full words."""
WITH_STEPS = 64
"""From this width on it has the step."""
TIGHT = 26
"""Up to this width only the most important columns fit."""
NARROW = {"removal": "token", "outcome": "steps"}
"""Shorter headings."""


class SpikesPanel(TextPanel):
    """A table of spikes: removal, height, recovery."""

    label = "spikes"

    def key(self, view: RunView) -> Hashable:
        metrics = view.history.summary.metrics
        follows = view.history.version if metrics.open_spikes else None
        spikes = tuple(metrics.spikes[-8:]), len(metrics.spikes)
        return *spikes, metrics.rollbacks, follows, metrics.step > 0

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        metrics = view.history.summary.metrics
        if not metrics.spikes:
            return _none_yet(view, area)
        lines = [_overview(metrics, area)] if area.height >= 4 else []
        newest, back = metrics.spikes[-1], max(rollback_steps(view.history), default=-1)
        names = _columns(removes(view.history.summary), area)
        unit = view.history.summary.unit_word
        rows = []
        for spike in reversed(metrics.spikes[-MOST:]):
            is_open = spike is newest and spike.open and back < spike.step
            now = spike_now(view.history, spike) if is_open else None
            cells = _cells(spike, now, area, unit)
            rows.append([cells[name] for name in names])
        if area.width > TIGHT:
            heads = names if area.width >= WIDE else [NARROW.get(name, name) for name in names]
            rows.insert(0, [line((head, "dim")) for head in heads])
        lines += columns(rows, gap=2 if area.width > TIGHT else 1)
        if len(metrics.spikes) > MOST:
            lines.append(line((f"and {len(metrics.spikes) - MOST:,} earlier", "dim")))
        return lines


def _none_yet(view: RunView, area: Area) -> list[Line]:
    text = "No loss spike so far."
    if view.history.summary.metrics.step == 0:
        text = "Training has not begun, so there are no spikes yet."
    what = "a removal makes the loss jump" if removes(view.history.summary) else "the loss jumps"
    more = (
        f"When {what}, it is listed here with its height and "
        "the steps until the model has recovered."
    )
    return [*paragraph(text, area.width), *paragraph(more, area.width, "dim")]


def _overview(metrics: Metrics, area: Area) -> Line:
    spikes = metrics.spikes
    recovered = [s.steps for s in spikes if s.steps is not None and not s.collapsed]
    collapsed = sum(spike.collapsed for spike in spikes)
    parts = [f"{len(recovered):,} recovered"] if recovered else []
    if collapsed:
        parts.append(count(collapsed, "collapse"))
    if spikes[-1].open and not spikes[-1].collapsed:
        parts.append("1 open")
    head = count(len(spikes), "spike")
    text = f"{head}: {listed(parts)}" if parts else head
    typical = f", typically in {count(round(median(recovered)), 'step')}" if recovered else ""
    if len(text) > area.width:
        return line((", ".join([head, *parts[1:]])[: area.width], "bold"))
    return line((text, "bold"), (typical if len(text + typical) <= area.width else "", "dim"))


def _columns(removing: bool, area: Area) -> list[str]:
    names = ["step", "removal", "height", "outcome"]
    if not removing:
        names.remove("removal")
    elif area.width < WITH_STEPS:
        names.remove("step")
    return names


def _cells(spike: SpikeSummary, now: SpikeNow | None, area: Area, unit: str) -> dict[str, Line]:
    """By the name of the column; `now` is the state of a spike that is not over."""
    wide = area.width >= WIDE
    removal = "none near" if wide else "none"
    if spike.removal is not None:
        removal = f"{unit} {spike.removal:,}" if wide else f"{spike.removal:,}"
    return {
        "step": line((f"{spike.step:,}", "dim")),
        "removal": line((removal, "bold")),
        "height": line(_height(spike, now)),
        "outcome": _outcome(spike, now, wide, area),
    }


def _height(spike: SpikeSummary, now: SpikeNow | None) -> str:
    """Above the baseline, in nats; of an open spike the highest so far."""
    height = spike.height if now is None else now.height
    if height is not None:
        return signed(height)
    if spike.loss is None or spike.baseline is None:
        return "not finite"
    return signed(spike.loss - spike.baseline)


def _outcome(spike: SpikeSummary, now: SpikeNow | None, wide: bool, area: Area) -> Line:
    glyph, tight = area.glyph, area.width <= TIGHT
    lasted = (spike.steps or 0) if now is None else now.steps
    steps, bare = count(lasted, "step"), f"{lasted:,}"
    if spike.collapsed:
        since = f" for {steps}" if now is not None else f" after {steps}"
        text = "collapse" + (since if wide else "" if tight else f" {bare}")
        return line((f"{glyph.wrong} {text}", "bold error"))
    if spike.steps is not None:
        return line((f"{glyph.right} recovered in {steps}" if wide else bare, "success"))
    if now is None:
        return line(("ended by a rollback" if wide else "rollback", "dim"))
    if not wide:
        return line((f"open {bare}", "bold warning"))
    left = "" if now.left is None else f", {whole_percent(now.left)} left"
    return line((f"recovering for {steps}{left}", "bold warning"))
