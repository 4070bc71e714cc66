"""How many trials train at once, and what each finds in its environment."""

import os

import pynvml
import pytest

from icot_tui.config import RunConfig
from icot_tui.studies import trial_process
from icot_tui.studies.trial_process import WorkerSlot, cpu_slots, make_worker_slots
from tests.tiny import tiny

pytestmark = pytest.mark.slow


def configs(count: int, device: str = "cpu", threads: int = 0) -> list[RunConfig]:
    return [tiny(seed=n, train={"device": device, "threads": threads}) for n in range(count)]


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def threads(found: list[WorkerSlot]) -> list[str]:
    return [slot["OMP_NUM_THREADS"] for slot in found]


def test_trials_share_the_cores() -> None:
    assert threads(make_worker_slots(configs(20), None)) == ["1"] * 8
    assert threads(make_worker_slots(configs(3), None)) == ["2"] * 3
    assert threads(make_worker_slots(configs(20), 4)) == ["2"] * 4
    assert threads(make_worker_slots(configs(1), None)) == ["4"]
    assert len(make_worker_slots(configs(20, threads=4), None)) == 2


def shared(count: int, jobs: int | None, cores: list[int], threads: int = 0) -> tuple[int, int]:
    """Threads of a trial, and trials at once."""
    slots, each = cpu_slots(configs(count, threads=threads), jobs, cores)
    return each, len(slots)


def test_machines_share_trials_that_fit_on_each() -> None:
    assert shared(2, None, [1, 1]) == (1, 2)
    assert shared(2, None, [1, 7]) == (3, 2)
    assert shared(1, None, [2, 2]) == (2, 1)
    assert shared(9, None, [8, 6], threads=4) == (4, 3)
    assert shared(9, 20, [2, 2]) == (1, 9)


def test_a_gpu_takes_one_trial_unless_more_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    found = make_worker_slots(configs(9, device="auto"), None)
    assert found == [
        {"CUDA_VISIBLE_DEVICES": "2"},
        {"CUDA_VISIBLE_DEVICES": "5"},
    ]
    assert len(make_worker_slots(configs(9, device="cuda"), 4)) == 4
    assert threads(make_worker_slots(configs(2, device="cpu"), None)) == ["4", "4"]


def test_without_cuda_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trial_process.visible_gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")

    def no_driver() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    assert trial_process.visible_gpus() == []


def test_the_driver_counts_the_gpus_if_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    for name, answer in (("nvmlInit", None), ("nvmlDeviceGetCount", 2), ("nvmlShutdown", None)):
        monkeypatch.setattr(pynvml, name, lambda answer=answer: answer)
    assert trial_process.visible_gpus() == ["0", "1"]
