"""What the machine does: processor, memory, disk and GPUs; nothing here ever raises."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

DISK_SECONDS = 5.0
"""The disk is asked so seldom: a network file system may be slow to answer."""


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU; None where it does not tell.

    Attributes:
        name: of the model.
        use: share of the time it was busy, from 0 to 1.
        power_watts, power_limit: in watts.
        memory_used, memory_total: in bytes.
        temperature: in degrees Celsius.
    """

    name: str
    use: float | None
    power_watts: float | None
    power_limit: float | None
    memory_used: int | None
    memory_total: int | None
    temperature: float | None


@dataclass(frozen=True, slots=True)
class MachineReading:
    """The machine at one moment; None where it does not tell.

    Attributes:
        cpu: share of all cores in use since the last reading, from 0 to 1; None at the first.
        ram_used, ram_total: in bytes.
        disk_free: in bytes, on the runs' disk.
        gpus: one each, none without a driver.
        time: when it was read, in seconds of a clock of its own; 0 where that doesn't matter.
    """

    cpu: float | None
    ram_used: int | None
    ram_total: int | None
    disk_free: int | None
    gpus: tuple[GpuReading, ...]
    time: float = field(default=0.0, compare=False)


class MachineSampler:
    """Reads the machine; the libraries for it are loaded at the first reading.

    Args:
        disk: a folder on the disk that matters.
    """

    def __init__(self, disk: Path | None = None) -> None:
        self._disk = disk or Path.cwd()
        self._disk_free: int | None = None
        self._disk_due = 0.0
        self._gpus: list[tuple[Any, str]] | None = None

    def read(self) -> MachineReading:
        psutil = _asked(lambda: import_module("psutil"))
        cpu = _asked(lambda: psutil.cpu_percent() / 100)
        if self._gpus is None:
            self._gpus = _find_gpus()
            cpu = None  # the first call only sets the mark that the next one counts from
        memory = _asked(lambda: psutil.virtual_memory())
        if time.monotonic() >= self._disk_due:
            self._disk_due = time.monotonic() + DISK_SECONDS
            self._disk_free = _asked(lambda: int(psutil.disk_usage(str(self._disk)).free))
        return MachineReading(
            cpu=cpu,
            ram_used=None if memory is None else int(memory.total - memory.available),
            ram_total=None if memory is None else int(memory.total),
            disk_free=self._disk_free,
            gpus=tuple(_read_gpu(handle, name) for handle, name in self._gpus),
            time=time.monotonic(),
        )


def _find_gpus() -> list[tuple[Any, str]]:
    """(handle, name) of each GPU; none without a driver."""
    found = []
    with contextlib.suppress(Exception):
        import pynvml as nvml

        nvml.nvmlInit()
        for number in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(number)
            name = nvml.nvmlDeviceGetName(handle)
            found.append(
                (handle, name.decode(errors="replace") if isinstance(name, bytes) else name)
            )
    return found


def _read_gpu(handle: Any, name: str) -> GpuReading:
    import pynvml as nvml

    memory = _asked(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return GpuReading(
        name=name,
        use=_asked(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
        power_watts=_asked(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        power_limit=_asked(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000),
        memory_used=None if memory is None else int(memory.used),
        memory_total=None if memory is None else int(memory.total),
        temperature=_asked(
            lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
        ),
    )


def _asked(question: Callable[[], Any]) -> Any:
    """The answer, or None where the library, the card or the driver has none."""
    try:
        return question()
    except Exception:  # a driver's own errors, of whatever kind: a reading never ends a view
        return None
