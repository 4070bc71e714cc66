"""The machine's load over the time that it was watched: a sparkline for each quantity."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from icot_tui.formatting import duration, gigabytes, whole_percent
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.text import Line, columns, line, sparkline

if TYPE_CHECKING:
    from icot_tui.watch.machine import GpuReading, MachineReading

SHORTEST, LONGEST = 10, 120
"""Cells of a sparkline."""
BESIDE = 58
"""Cells for the name and the numbers of a row."""
HOTTEST = 100.0
"""Degrees Celsius at the top of a sparkline."""
Share = float | None
Row = list[Line]


def history_lines(past: "Iterable[MachineReading]", area: Area, rows: int) -> list[Line]:
    """Processor, memory, and of each GPU use, memory, power and temperature.

    Where `rows` do not suffice, each GPU has one row: the history of its use, all else as numbers.
    """
    readings = list(past)  # a queue has no slices
    if not readings:
        return []
    width = min(LONGEST, len(readings), area.width - BESIDE)
    width = max(SHORTEST, width)
    now = readings[-1]
    seconds = now.time - readings[-width:][0].time
    table = [
        _row("CPU", [one.cpu for one in readings], _percent(now.cpu), width, area),
        _row("memory", [_part(one.ram_used, one.ram_total) for one in readings],
             _of(now.ram_used, now.ram_total), width, area),
    ]  # fmt: skip
    gpus = range(len(now.gpus))
    in_full = [row for at in gpus for row in _gpu(readings, at, width, area)]
    dense = len(table) + len(in_full) + 1 > rows
    table += [_dense_gpu(readings, at, width, area) for at in gpus] if dense else in_full
    head = line((f"the last {duration(seconds)}, the newest at the right", "dim"))
    return [area.cut(each) for each in (head, *columns(table, gap=1))]


def _gpu(readings: "Sequence[MachineReading]", at: int, width: int, area: Area) -> list[Row]:
    past, now = _of_gpu(readings, at), readings[-1].gpus[at]
    limit = now.power_limit
    watts = "" if now.power_watts is None else f"{now.power_watts:,.0f} W"
    watts += f" of {limit:,.0f}" if watts and limit else ""
    degrees = "C" if area.ascii else "°C"
    hot = "" if now.temperature is None else f"{now.temperature:,.0f} {degrees}"
    memory = _of(now.memory_used, now.memory_total)
    table = [
        (f"GPU {at} use", lambda gpu: gpu.use, _percent(now.use)),
        ("  memory", lambda gpu: _part(gpu.memory_used, gpu.memory_total), memory),
        ("  power", lambda gpu: _part(gpu.power_watts, gpu.power_limit), watts),
        ("  heat", lambda gpu: _part(gpu.temperature, HOTTEST), hot),
    ]  # fmt: skip
    rows: list[tuple[str, Callable[[GpuReading], Share], str]] = table
    return [
        _row(name, [None if gpu is None else share(gpu) for gpu in past], text, width, area)
        for name, share, text in rows
        if text
    ]


def _dense_gpu(readings: "Sequence[MachineReading]", at: int, width: int, area: Area) -> Row:
    past, now = _of_gpu(readings, at), readings[-1].gpus[at]
    facts = [_percent(now.use).rjust(5), _of(now.memory_used, now.memory_total)]
    facts += [] if now.power_watts is None else [f"{now.power_watts:,.0f} W"]
    degrees = "C" if area.ascii else "°C"
    facts += [] if now.temperature is None else [f"{now.temperature:,.0f} {degrees}"]
    uses = [None if gpu is None else gpu.use for gpu in past]
    return _row(f"GPU {at}", uses, "  ".join(filter(None, facts)), width, area)


def _of_gpu(readings: "Sequence[MachineReading]", at: int) -> "list[GpuReading | None]":
    return [one.gpus[at] if at < len(one.gpus) else None for one in readings]


def _row(name: str, shares: Sequence[Share], text: str, width: int, area: Area) -> Row:
    return [
        line((name, "dim")),
        line((sparkline(shares, width, area.glyph), "primary")),
        line((text, "bold")),
    ]


def _part(used: float | None, total: float | None) -> Share:
    return None if used is None or not total else used / total


def _percent(share: Share) -> str:
    return "measuring" if share is None else whole_percent(share)


def _of(used: int | None, total: int | None) -> str:
    return "" if used is None or not total else f"{gigabytes(used)} of {gigabytes(total)}"
