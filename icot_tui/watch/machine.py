"""What the machine does: processor, memory, disk and GPUs; nothing here ever raises."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

MEBIBYTE = 1 << 20
DISK_SECONDS = 5.0
"""The disk is asked so seldom: a network file system may be slow to answer."""


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class MachineReading:
    """The machine at one moment; None where it does not tell.

    Attributes:
        cpu: share of all cores in use since the last reading, from 0 to 1; None at the first.
        ram_used, ram_total: in bytes.
        disk_free: in bytes, on the runs' disk.
        gpus: one each, none without a driver.
    """

    cpu: float | None
    ram_used: int | None
    ram_total: int | None
    disk_free: int | None
    gpus: tuple[GpuReading, ...]


class MachineSampler:
    """Reads the machine; the libraries for it are loaded at the first reading.

    Args:
        disk: a folder on the disk that matters.
    """

    def __init__(self, disk: Path | None = None) -> None:
        self._disk = disk or Path.cwd()
        self._disk_free: int | None = None
        self._disk_due = 0.0
        self._psutil: ModuleType | None = None
        self._nvml: ModuleType | None = None
        self._gpus: list[tuple[Any, str]] = []
        self._opened = False

    def read(self) -> MachineReading:
        """What the machine does now."""
        if not self._opened:
            self._open()
        cpu: float | None = None
        used: int | None = None
        total: int | None = None
        if self._psutil is not None:
            with contextlib.suppress(Exception):
                cpu = self._processor()
            with contextlib.suppress(Exception):
                memory = self._psutil.virtual_memory()
                used, total = int(memory.total - memory.available), int(memory.total)
        gpus = tuple(self._gpu(handle, name) for handle, name in self._gpus)
        return MachineReading(cpu, used, total, self._free(), gpus)

    def close(self) -> None:
        """Let the driver go; the next reading opens it again."""
        if self._nvml is not None:
            with contextlib.suppress(Exception):
                self._nvml.nvmlShutdown()
        self._psutil = self._nvml = None
        self._gpus, self._opened = [], False

    def _open(self) -> None:
        self._opened = True
        with contextlib.suppress(Exception):
            import psutil

            psutil.cpu_percent()  # the first call only sets the mark that the next one counts from
            self._psutil, self._asked = psutil, False
        with contextlib.suppress(Exception):
            import pynvml

            pynvml.nvmlInit()
            self._nvml = pynvml
            for number in range(pynvml.nvmlDeviceGetCount()):
                handle = pynvml.nvmlDeviceGetHandleByIndex(number)
                name = pynvml.nvmlDeviceGetName(handle)
                self._gpus.append(
                    (handle, name.decode(errors="replace") if isinstance(name, bytes) else name)
                )

    def _processor(self) -> float | None:
        assert self._psutil is not None
        share = float(self._psutil.cpu_percent()) / 100
        known, self._asked = self._asked, True
        return share if known else None

    def _free(self) -> int | None:
        """Bytes left on the disk."""
        if time.monotonic() >= self._disk_due:
            self._disk_due = time.monotonic() + DISK_SECONDS
            self._disk_free = None
            if self._psutil is not None:
                with contextlib.suppress(Exception):
                    self._disk_free = int(self._psutil.disk_usage(str(self._disk)).free)
        return self._disk_free

    def _gpu(self, handle: Any, name: str) -> GpuReading:
        nvml = self._nvml
        assert nvml is not None
        use = _asked(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
        power = _asked(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000)
        limit = _asked(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000)
        heat = _asked(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        memory = _asked(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        used, total = (None, None) if memory is None else (int(memory.used), int(memory.total))
        return GpuReading(
            name=name,
            use=use,
            power_watts=power,
            power_limit=limit,
            memory_used=used,
            memory_total=total,
            temperature=heat,
        )


def _asked(question: Any) -> Any:
    """The answer, or None where the card or the driver has none."""
    try:
        return question()
    except Exception:  # a driver's own errors, of whatever kind: a reading never ends a view
        return None
