"""How long a device takes for steps that nothing waits for, and how much of that it works."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from training_step import wait

from icot_tui.cli.bench import peak_memory

PROFILED = 5
"""Steps whose idle share is measured."""


@dataclass(frozen=True)
class Measured:
    """One way of training."""

    seconds: float  # a sweep, the median
    losses: list[float]  # of the first sweep
    idle: float | None  # share of the time; None: unknown
    memory: int  # bytes


def measure(step: Callable[[int], Any], steps: int, sweeps: int, device: torch.device) -> Measured:
    """Warm up with all steps (0 to steps - 1), time them so many times, then look at a few."""

    def taken(numbers: Sequence[int]) -> float:
        wait(device)
        began = time.perf_counter()
        for number in numbers:
            step(number)
        wait(device)
        return time.perf_counter() - began

    losses = [float(loss) for loss in [step(number) for number in range(steps)]]
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities = [ProfilerActivity.CUDA]
        torch.cuda.reset_peak_memory_stats()
    seconds = statistics.median(taken(range(steps)) for _ in range(sweeps))
    memory = peak_memory(device.type)
    few = range(0, steps, max(1, steps // PROFILED))
    whole = taken(few)
    with profile(activities=activities) as profiled:
        taken(few)
    busy = busy_seconds(profiled, device)
    return Measured(seconds, losses, 1 - busy / whole if 0 < busy <= whole else None, memory)


def busy_seconds(profiled: Any, device: torch.device) -> float:
    """Time in which at least one kernel (on a CPU: operation) ran."""
    wanted = torch.autograd.DeviceType.CUDA if device.type == "cuda" else None
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiled.events()
        if wanted is None or (event.device_type == wanted and not event.is_user_annotation)
    )
    busy = until = 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy * 1e-6


def product_rate(rows: int, precision: str, device: str) -> float:
    """Operations a second of a square matrix product in this precision."""
    kind = torch.float32 if precision == "float32" else torch.bfloat16
    one = torch.randn(rows, rows, device=device, dtype=kind)
    for count in (3, 20):  # to warm up; to time
        wait(one.device)
        began = time.perf_counter()
        for _ in range(count):
            one @ one
        wait(one.device)
        taken = time.perf_counter() - began
    return 2 * rows**3 * count / taken
