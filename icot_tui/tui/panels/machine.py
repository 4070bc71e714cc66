"""Speed, remaining time, and the load of the machine."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from icot_tui.formatting import age, duration, gigabytes, number, whole_percent
from icot_tui.tui.panels.base import Area, TextPanel
from icot_tui.tui.panels.machine_history import history_lines
from icot_tui.tui.panels.text import EMPTY, Line, bar, columns, first_fitting, line, paragraph
from icot_tui.tui.run.view import ENDED, RunView
from icot_tui.watch.source import Replay

if TYPE_CHECKING:
    from icot_tui.watch.machine import GpuReading, MachineReading

WAITING = ("loss_gated", "mastery")
"""Schedules that wait for what is learnt."""
BESIDE_BARS = 30
"""Cells for the label and the text beside a bar."""
SHORTEST_BAR, LONGEST_BAR = 4, 24
ALMOST_FULL = 0.92
LITTLE_DISK = 5e9
"""With fewer bytes left the disk is marked."""
Row = tuple[str, Line]
"""A label and what stands beside it."""


class MachinePanel(TextPanel):
    """Speed, remaining time, GPU, processor, memory, disk."""

    label = "machine"

    def key(self, view: RunView) -> Hashable:
        summary = view.history.summary
        quiet = view.now - (summary.last_event_time or view.now) if summary.ended is None else 0.0
        return view.history.version, view.machine, view.status, round(quiet)

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        lines = _aligned(_pace(view, area), area)
        past = view.machine_history
        if area.full and len(past) > 1:
            lines += [*_aligned(_disk(past[-1]), area), EMPTY]
            lines += history_lines(past, area, area.height - len(lines))
        elif view.machine is not None:
            readings = _aligned(_readings(view.machine, area), area)
            if len(lines) + len(readings) > area.height:
                readings = _aligned(_readings(view.machine, area, terse=True), area)
            if len(lines) + len(readings) < area.height:
                lines.append(EMPTY)
            lines += readings
        elif area.height > len(lines):
            lines += _no_reading(view, area)
        return lines


def _pace(view: RunView, area: Area) -> Iterator[Row]:
    """What the journal knows, on whichever machine the run is."""
    summary = view.history.summary
    if summary.facts is None:
        what = f"getting ready: {view.phase}" if view.phase else "getting ready"
        yield "speed", line((what, "dim"))
        return
    yield "speed", _speed(view)
    if summary.ended is not None:
        yield "time", line(f"{duration(summary.metrics.seconds)} of training")
    elif view.time_left:
        yield "left", line((view.time_left, "bold"))
    else:
        yield "left", line((_no_estimate(view, area), "dim"))


def _speed(view: RunView) -> Line:
    summary = view.history.summary
    metrics, speed = summary.metrics, summary.steps_per_second
    if summary.ended is not None:
        return line((f"none: the run has {view.status}", "dim"))
    if view.status == "dead" and summary.last_event_time is not None:
        silence = age(view.now - summary.last_event_time)
        return line((f"trainer gone, last heard {silence}", "bold error"))
    if speed is None or view.status == "dead":
        return line(("waiting for the first steps", "dim"))
    tokens = ""
    if metrics.seconds > 0:
        tokens = f", {number(metrics.supervised_tokens / metrics.seconds)} tokens/s"
    return line((f"{number(speed)} steps/s", "bold"), tokens)


def _no_estimate(view: RunView, area: Area) -> str:
    config = view.history.summary.config
    if view.status != "training" or config is None or config.curriculum.schedule not in WAITING:
        return "no estimate"
    reason = "the schedule waits for the loss"
    return first_fitting(area.width - len("left "), f"no estimate: {reason}", reason)


def _readings(reading: "MachineReading", area: Area, terse: bool = False) -> Iterator[Row]:
    many = len(reading.gpus) > 1
    for at, gpu in enumerate(reading.gpus):
        yield from _gpu(f"GPU {at}" if many else "GPU", gpu, area, terse)
    if reading.cpu is not None:
        share = whole_percent(reading.cpu)
        yield "CPU", _share(reading.cpu, share, area, full_is_bad=False)
    elif reading.ram_used is not None:  # a row from the start: nothing moves with the second look
        yield "CPU", line(("measuring", "dim"))
    if reading.ram_used is not None and reading.ram_total:
        used = f"{gigabytes(reading.ram_used)} of {gigabytes(reading.ram_total)}"
        yield "memory", _share(reading.ram_used / reading.ram_total, used, area)
    yield from _disk(reading)


def _disk(reading: "MachineReading") -> Iterator[Row]:
    if reading.disk_free is not None:
        style = "bold error" if reading.disk_free < LITTLE_DISK else ""
        yield "disk", line((f"{gigabytes(reading.disk_free)} left", style))


def _gpu(label: str, gpu: "GpuReading", area: Area, terse: bool) -> Iterator[Row]:
    """Load, memory and power in a row each, or all in one row if `terse`."""
    if terse:
        known = [] if gpu.use is None else [whole_percent(gpu.use)]
        known += [] if gpu.memory_used is None else [gigabytes(gpu.memory_used)]
        known += [] if gpu.power_watts is None else [f"{gpu.power_watts:,.0f} W"]
        yield label, line(", ".join(known) or gpu.name)
        return
    load = line(gpu.name)
    if gpu.use is not None:
        load = _share(gpu.use, whole_percent(gpu.use), area, full_is_bad=False)
    yield label, load
    if gpu.memory_used is not None and gpu.memory_total:
        text = f"{gigabytes(gpu.memory_used)} of {gigabytes(gpu.memory_total)}"
        yield "  memory", _share(gpu.memory_used / gpu.memory_total, text, area)
    facts = []
    if gpu.power_watts is not None:
        most = f" of {gpu.power_limit:,.0f}" if gpu.power_limit else ""
        facts.append(f"{gpu.power_watts:,.0f}{most} W")
    if gpu.temperature is not None:
        facts.append(f"{gpu.temperature:,.0f} {'C' if area.ascii else '°C'}")
    if facts:
        yield "  power", line(", ".join(facts))


def _share(share: float, text: str, area: Area, full_is_bad: bool = True) -> Line:
    """A bar, where there is room for one, and its meaning."""
    style = "error" if full_is_bad and share >= ALMOST_FULL else "primary"
    cells = min(area.width - BESIDE_BARS, LONGEST_BAR)
    if cells < SHORTEST_BAR:
        return line((text, style if style == "error" else ""))
    return (*bar(share, cells, area.glyph, style), (f" {text}", ""))


def _aligned(rows: Iterable[Row], area: Area) -> list[Line]:
    table = columns([(line((label, "dim")), value) for label, value in rows], gap=1)
    return list(map(area.cut, table))


def _no_reading(view: RunView, area: Area) -> list[Line]:
    facts = view.history.summary.facts
    if facts is None:
        text = "Speed, memory and remaining time appear here."
    elif view.status in (*ENDED, "starting"):
        return []
    elif isinstance(view.source, Replay):
        text = "The load of the machine is not recorded, so a replay can't show it."
    else:
        text = f"The run is on another machine ({facts.device}), whose load is not visible here."
    return paragraph(text, area.width, "dim")
