"""Speed, remaining time, and the load of the machine."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from icot_tui.engine.journal.summary import RunSummary
from icot_tui.formatting import age, duration, gigabytes, moment, number, rough, whole_percent
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.text import EMPTY, Line, bar, columns, cut, line, paragraph
from icot_tui.tui.run.view import RunView
from icot_tui.watch.source import Replay

if TYPE_CHECKING:
    from icot_tui.watch.machine import GpuReading, MachineReading

BESIDE_BARS = 30
"""Cells for the label and the text beside a bar."""
SHORTEST_BAR, LONGEST_BAR = 4, 24
ALMOST_FULL = 0.92
LITTLE_DISK = 5e9
"""With fewer bytes left the disk is marked."""


class MachinePanel(TextPanel):
    """Speed, remaining time, GPU, processor, memory, disk."""

    label = "machine"

    def key(self, view: RunView) -> Hashable:
        summary = view.history.summary
        quiet = view.now - (summary.last_event_time or view.now) if summary.ended is None else 0.0
        return view.history.version, view.machine, view.status, round(quiet)

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        lines = _aligned(_pace(view, area), area)
        if view.machine is not None:
            readings = _aligned(_readings(view.machine, area), area)
            if len(lines) + len(readings) > area.height:
                readings = _aligned(_readings(view.machine, area, terse=True), area)
            if len(lines) + len(readings) < area.height:
                lines.append(EMPTY)
            lines += readings
        elif area.height > len(lines):
            lines += _no_reading(view, area)
        return lines


def _pace(view: RunView, area: Area) -> list[tuple[str, Line]]:
    """What the journal knows, on whichever machine the run is."""
    summary = view.history.summary
    metrics, rows = summary.metrics, []
    if summary.facts is None:
        what = f"getting ready: {view.phase}" if view.phase else "getting ready"
        return [("speed", line((what, "dim")))]
    speed = summary.steps_per_second
    if speed is None or summary.ended is not None or view.status == "dead":
        rows.append(("speed", _standing_still(view)))
    else:
        tokens = _tokens_per_second(summary)
        more = "" if tokens is None else f", {number(tokens)} tokens/s"
        rows.append(("speed", line((f"{number(speed)} steps/s", "bold"), more)))
    left = summary.seconds_left()
    if summary.ended is not None:
        rows.append(("time", line(f"{duration(metrics.seconds)} of training")))
    elif left is not None and view.status == "training":
        end = (f", until {moment(view.now + left, view.now)}", "dim")
        rows.append(("left", line((rough(left), "bold"), end)))
    else:
        rows.append(("left", line((_no_estimate(view, area), "dim"))))
    return rows


def _standing_still(view: RunView) -> Line:
    summary = view.history.summary
    if summary.ended is not None:
        return line((f"the run has {view.status}", "dim"))
    if view.status == "dead" and summary.last_event_time is not None:
        return line(
            (f"trainer gone, last heard {age(view.now - summary.last_event_time)}", "bold error")
        )
    return line(("waiting for the first steps", "dim"))


def _no_estimate(view: RunView, area: Area) -> str:
    """Why the remaining time is unknown."""
    config = view.history.summary.config
    if (
        view.status == "training"
        and config is not None
        and config.curriculum.schedule == "loss_gated"
    ):
        long = "no estimate: the schedule waits for the loss"
        return long if len(long) + len("left ") <= area.width else "the schedule waits for the loss"
    return "no estimate"


def _tokens_per_second(summary: RunSummary) -> float | None:
    """Supervised tokens per second of training, over the whole run."""
    metrics = summary.metrics
    return metrics.supervised_tokens / metrics.seconds if metrics.seconds > 0 else None


def _readings(reading: "MachineReading", area: Area, terse: bool = False) -> list[tuple[str, Line]]:
    rows: list[tuple[str, Line]] = []
    many = len(reading.gpus) > 1
    for at, gpu in enumerate(reading.gpus):
        rows += _gpu(f"GPU {at}" if many else "GPU", gpu, area, terse)
    if reading.cpu is not None:
        cpu = _share(reading.cpu, whole_percent(reading.cpu), area, full_is_bad=False)
        rows.append(("CPU", cpu))
    elif reading.ram_used is not None:  # a row from the start: nothing moves with the second look
        rows.append(("CPU", line(("measuring", "dim"))))
    if reading.ram_used is not None and reading.ram_total:
        used = f"{gigabytes(reading.ram_used)} of {gigabytes(reading.ram_total)}"
        rows.append(("memory", _share(reading.ram_used / reading.ram_total, used, area)))
    if reading.disk_free is not None:
        style = "bold error" if reading.disk_free < LITTLE_DISK else ""
        rows.append(("disk", line((f"{gigabytes(reading.disk_free)} left", style))))
    return rows


def _gpu(label: str, gpu: "GpuReading", area: Area, terse: bool) -> list[tuple[str, Line]]:
    """Load, memory and power in a row each, or all in one row if `terse`."""
    if terse:
        known = [] if gpu.use is None else [whole_percent(gpu.use)]
        known += [] if gpu.memory_used is None else [gigabytes(gpu.memory_used)]
        known += [] if gpu.power_watts is None else [f"{gpu.power_watts:,.0f} W"]
        return [(label, line(", ".join(known) or gpu.name))]
    rows, facts = [], _gpu_facts(gpu, area)
    if gpu.use is not None:
        use = _share(gpu.use, whole_percent(gpu.use), area, full_is_bad=False)
        rows.append((label, use))
    else:
        rows.append((label, line(gpu.name)))
    if gpu.memory_used is not None and gpu.memory_total:
        text = f"{gigabytes(gpu.memory_used)} of {gigabytes(gpu.memory_total)}"
        rows.append(("  memory", _share(gpu.memory_used / gpu.memory_total, text, area)))
    if facts:
        rows.append(("  power", line(", ".join(facts))))
    return rows


def _gpu_facts(gpu: "GpuReading", area: Area) -> list[str]:
    facts = []
    if gpu.power_watts is not None:
        most = f" of {gpu.power_limit:,.0f}" if gpu.power_limit else ""
        facts.append(f"{gpu.power_watts:,.0f}{most} W")
    if gpu.temperature is not None:
        facts.append(f"{gpu.temperature:,.0f} {'C' if area.ascii else '°C'}")
    return facts


def _share(share: float, text: str, area: Area, full_is_bad: bool = True) -> Line:
    """A bar, where there is room for one, and its meaning."""
    style = "error" if full_is_bad and share >= ALMOST_FULL else "primary"
    cells = min(area.width - BESIDE_BARS, LONGEST_BAR)
    if cells < SHORTEST_BAR:
        return line((text, style if style == "error" else ""))
    return (*bar(share, cells, area.glyph, style), (f" {text}", ""))


def _aligned(rows: list[tuple[str, Line]], area: Area) -> list[Line]:
    made = columns([(line((label, "dim")), value) for label, value in rows], gap=1)
    return [cut(each, area.width, area.glyph.ellipsis) for each in made]


def _no_reading(view: RunView, area: Area) -> list[Line]:
    facts = view.history.summary.facts
    if facts is None:
        return paragraph("Speed, memory and remaining time appear here.", area.width, "dim")
    text = f"The run is on another machine ({facts.device}), whose load is not visible here."
    if isinstance(view.source, Replay):
        text = "The load of the machine is not recorded, so a replay can't show it."
    if view.status in ("finished", "stopped", "dead", "starting"):
        return []
    return paragraph(text, area.width, "dim")
