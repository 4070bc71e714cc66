"""Where trials train: one slot per GPU, or as many as the CPU cores allow."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from icot_tui.config import RunConfig

MAX_THREADS = 4
"""Threads of a trainer on a CPU: small matrix products gain nothing from more."""


@dataclass(frozen=True)
class WorkerSlot:
    """Room for one trainer: the environment variables that it gets."""

    environment: tuple[tuple[str, str], ...]


def make_worker_slots(configs: Sequence[RunConfig], jobs: int | None) -> list[WorkerSlot]:
    """A slot for each trial that trains at the same time.

    One per GPU, or more if `jobs` says so; on a CPU one per core, and trials share the cores that
    are left as threads (a config's own train.threads is kept).

    Args:
        configs: of the trials.
        jobs: how many at once; None: as many as fit.
    """
    wanted = max(1, len(configs))
    devices = {config.train.device for config in configs}
    gpus = [] if devices <= {"cpu", "mps"} else visible_gpus()
    if gpus:
        count = min(jobs or len(gpus), wanted)
        chosen = [gpus[number % len(gpus)] for number in range(count)]
        return [WorkerSlot((("CUDA_VISIBLE_DEVICES", gpu),)) for gpu in chosen]
    threads, count = share_cores(configs, jobs, [len(os.sched_getaffinity(0))])
    return [worker_slot(threads)] * count


def share_cores(
    configs: Sequence[RunConfig], jobs: int | None, machines: Sequence[int]
) -> tuple[int, int]:
    """Threads per trial, and trials at once, on machines with these numbers of cores."""

    def room(threads: int) -> int:
        return sum(cores // threads for cores in machines)

    least = max((config.train.threads for config in configs), default=0) or 1
    count = min(jobs or max(1, room(least)), max(1, len(configs)))
    more = range(MAX_THREADS, least, -1)
    return next((threads for threads in more if room(threads) >= count), least), count


def worker_slot(threads: int) -> WorkerSlot:
    """A slot on CPU cores."""
    return WorkerSlot((("OMP_NUM_THREADS", str(threads)),))


def visible_gpus() -> list[str]:
    """Names of the GPUs for CUDA_VISIBLE_DEVICES, found without importing torch."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [name.strip() for name in said.split(",") if name.strip() not in ("", "-1")]
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [str(number) for number in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()
