"""Trials on this machine: each is a real `icot-tui train` or `resume` in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import IO

from icot_tui.config import RunConfig
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.models.device import usable_cores
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Trial

MAX_THREADS = 4  # threads of a trainer on a CPU: small matrix products gain nothing from more
LOG_TAIL_BYTES = 4000  # bytes at the end of a log that are searched for the error


WorkerSlot = Mapping[str, str]  # room for one trainer: the environment variables that it gets


def make_worker_slots(configs: Sequence[RunConfig], jobs: int | None) -> list[WorkerSlot]:
    """A slot for each trial that trains at the same time.

    One per GPU, or more if `jobs` says so; on a CPU one per core, and trials share the cores that
    are left as threads (a config's own train.threads is kept).
    """
    devices = {config.train.device for config in configs}
    gpus = [] if devices <= {"cpu", "mps"} else visible_gpus()
    if gpus:
        count = min(jobs or len(gpus), max(1, len(configs)))
        return [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in islice(cycle(gpus), count)]
    return cpu_slots(configs, jobs, [usable_cores()])[0]


def cpu_slots(
    configs: Sequence[RunConfig], jobs: int | None, machines: Sequence[int]
) -> tuple[list[WorkerSlot], int]:
    """Slots on machines with these numbers of cores, and the threads of each."""

    def room(threads: int) -> int:
        return sum(cores // threads for cores in machines)

    least = max((config.train.threads for config in configs), default=0) or 1
    count = min(jobs or max(1, room(least)), max(1, len(configs)))
    more = range(MAX_THREADS, least, -1)
    threads = next((threads for threads in more if room(threads) >= count), least)
    return [{"OMP_NUM_THREADS": str(threads)}] * count, threads


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


@dataclass(eq=False)
class TrainerProcess:
    """A running process, and the slot it takes."""

    slot: WorkerSlot
    process: "subprocess.Popen[bytes]"
    log: Path
    log_start: int
    resumed: RunFolder | None

    def poll(self) -> int | None:
        return self.process.poll()

    def stop(self, run: RunFolder | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def reason(self) -> str:
        status = self.process.returncode
        if status < 0:
            names = (known.name for known in signal.Signals if known == -status)
            return f"its trainer was killed ({next(names, f'signal {-status}')})"
        return last_error(self.log, self.log_start, status)


def start(
    study: StudyFolder, trial: Trial, slot: WorkerSlot, lock: IO[str], run: RunFolder | None
) -> TrainerProcess:
    """Train a trial, or resume its run.

    The trainer has a session of its own: signals to the study reach it only through this process.
    It inherits the lock, which is released here.

    Raises:
        UserError: its log can't be written.
    """
    log = study.log(trial)
    try:
        file = open(log, "ab")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"cannot write {log}: {error.strerror}", 1) from error
    with file:
        began_at = file.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "icot_tui", *arguments(study, trial, run)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=os.environ | dict(slot),
            pass_fds=(lock.fileno(),),
            start_new_session=True,
        )
    lock.close()
    return TrainerProcess(slot, process, log, began_at, run)


def arguments(study: StudyFolder, trial: Trial, run: RunFolder | None) -> list[str]:
    """The command line that trains a trial, or resumes its run."""
    runs = ["--runs", str(study.runs), "--quiet"]
    if run is None:
        return ["train", str(study.config(trial)), *runs]
    return ["resume", str(run.path), *runs, "--exact"]


def last_error(log: Path, start: int, status: int) -> str:
    """The last error in a trainer's log, whose output begins at byte `start`."""
    with open(log, "rb") as file:
        file.seek(max(start, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    return f"its trainer ended with status {status}; see {log}"
