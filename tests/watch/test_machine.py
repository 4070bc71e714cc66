import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from icot_tui.watch.machine import MachineSampler


def test_this_machine(tmp_path: Path) -> None:
    sampler = MachineSampler(tmp_path)
    first = sampler.read()
    assert first.cpu is None
    time.sleep(0.05)
    reading = sampler.read()
    assert reading.cpu is not None and 0 <= reading.cpu <= 1
    assert reading.ram_used is not None and reading.ram_total == psutil.virtual_memory().total
    assert 0 < reading.ram_used < reading.ram_total
    assert reading.disk_free is not None and reading.disk_free > 0
    for gpu in reading.gpus:
        assert gpu.name


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    assert MachineSampler(tmp_path / "gone").read().disk_free is None


class Driver(SimpleNamespace):
    """A driver with two cards, of which the second answers nothing but its name."""

    NVML_TEMPERATURE_GPU = 0

    def nvmlInit(self) -> None: ...

    def nvmlShutdown(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetName(self, card: int) -> bytes | str:
        return "H100" if card else b"A100"

    def _ask(self, card: int, answer: object) -> object:
        if card:
            raise RuntimeError("not supported")
        return answer

    def nvmlDeviceGetUtilizationRates(self, card: int) -> object:
        return self._ask(card, SimpleNamespace(gpu=50))

    def nvmlDeviceGetPowerUsage(self, card: int) -> object:
        return self._ask(card, 250_000)

    def nvmlDeviceGetEnforcedPowerLimit(self, card: int) -> object:
        return self._ask(card, 400_000)

    def nvmlDeviceGetTemperature(self, card: int, what: int) -> object:
        return self._ask(card, 61)

    def nvmlDeviceGetMemoryInfo(self, card: int) -> object:
        return self._ask(card, SimpleNamespace(used=10, total=80))


def test_cards_that_answer_and_cards_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver can't be had in every test; what it answers is known from its documentation."""
    monkeypatch.setitem(sys.modules, "pynvml", Driver())
    one, other = MachineSampler().read().gpus
    assert (one.name, one.use, one.power_watts, one.power_limit) == ("A100", 0.5, 250, 400)
    assert (one.memory_used, one.memory_total, one.temperature) == (10, 80, 61)
    assert (other.name, other.use, other.memory_used, other.temperature) == (
        "H100", None, None, None,
    )  # fmt: skip
