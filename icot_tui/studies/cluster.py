"""Trials on a Ray cluster: each takes a GPU, or some CPU cores, in a worker process of its own.

The folder of the runs is on storage that all nodes share, so paths are the same everywhere. A
trainer is the worker itself: neither outlives the other, and the locks end with both.
"""

import contextlib
import os
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from icot_tui.config import RunConfig
from icot_tui.engine.loop.commands import Stop, post
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Trial
from icot_tui.studies.trial_process import WorkerSlot, arguments, cpu_slots, last_error

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Environment variable with the address of the cluster that this machine belongs to."""
HERE = "ray"  # in place of an address: the cluster of this machine, or else a new one on it alone
CLIENT = "ray://"
STORE_BYTES = 100 << 20  # shared memory of a new cluster: only exit statuses go through it
ANSWER_SECONDS = 5.0
LOST = -9  # exit status of a trainer whose worker was lost


class Cluster:
    """A Ray cluster that this process is connected to.

    Args:
        address: `ray`, or a cluster's: `ray://HOST:PORT` from outside, `HOST:PORT` on its nodes.

    Raises:
        UserError: Ray is not installed, the address is none, or no cluster answers there.
    """

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            what = f"--on {address} needs Ray: pip install 'icot-tui[ray]'"
            raise UserError(what, 1) from error
        self._ray: Any = ray
        self._needs: dict[str, float] = {}
        from_variable = os.environ.get(ADDRESS_VARIABLE) if address == HERE else None
        address = from_variable or address
        try:
            self._connect(address, bool(from_variable))
        except (OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or " ".join(str(error).split("\n")[:1])
            if address.startswith(CLIENT) and "RAY_AUTH_MODE" not in os.environ:
                why += " (if the cluster needs a token, set RAY_AUTH_MODE=token here too)"
            raise UserError(f"no Ray cluster could be reached at {address}: {why}", 1) from error

    def _connect(self, address: str, from_variable: bool) -> None:
        """Connect to an address of the user's, or of Ray's environment variable."""
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if from_variable or address != HERE:
            if not (from_variable and address in ("auto", "local")):
                _check(address, ADDRESS_VARIABLE if from_variable else "--on")
            self._ray.init(address, **quiet)
            return
        try:
            self._ray.init("auto", **quiet)
        except ConnectionError:
            small = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
            before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its processes inherit that
            try:
                self._ray.init("local", **small, **quiet)
            finally:
                signal.signal(signal.SIGHUP, before)

    def slots(self, configs: Sequence[RunConfig], jobs: int | None) -> list[WorkerSlot]:
        """A slot for each trial that trains at the same time, as many as the cluster holds now.

        With `jobs`, so many instead; those that find no room wait until there is.
        """
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        devices = {config.train.device for config in configs}
        gpus = 0 if devices <= {"cpu", "mps"} else int(sum(node.get("GPU", 0) for node in nodes))
        if gpus:
            self._needs = {"num_gpus": 1, "num_cpus": 1}
            count = min(jobs or gpus, max(1, len(configs)))
            return [{}] * count
        cores = [int(node.get("CPU", 0)) for node in nodes]
        slots, threads = cpu_slots(configs, jobs, cores)
        self._needs = {"num_gpus": 0, "num_cpus": min(threads, max(cores, default=1))}
        return slots

    def start(
        self,
        study: StudyFolder,
        trial: Trial,
        slot: WorkerSlot,
        lock: IO[str],
        run: RunFolder | None,
    ) -> "ClusterTrainer":
        """Have a trial trained, or its run resumed, on any node with room."""
        log = study.log(trial)
        began_at = log.stat().st_size if log.exists() else 0
        task = self._ray.remote(max_calls=1, max_retries=0, **self._needs)(train_here).remote(
            arguments(study, trial, run), dict(slot), str(log), os.getcwd()
        )
        return ClusterTrainer(
            ray=self._ray, task=task, slot=slot, lock=lock, log=log, log_start=began_at, resumed=run
        )


@dataclass(eq=False, kw_only=True)
class ClusterTrainer:
    """A training task of the cluster, and the lock of the training, which this process holds."""

    ray: Any
    task: Any
    slot: WorkerSlot
    lock: IO[str]
    log: Path
    log_start: int
    resumed: RunFolder | None
    status: int | None = None
    failure: str = ""
    stop_requested: bool = False
    cancelled: bool = False

    def poll(self) -> int | None:
        """Its exit status, below 0 if its worker was lost; None while it waits or runs.

        Raises:
            UserError: the cluster is gone, and all trainers with it.
        """
        try:
            if self.status is None:
                if self.cancelled:
                    self.ray.cancel(self.task, force=True)
                if self.ray.wait([self.task], timeout=0)[0]:
                    self.status = self._outcome()
                    self.lock.close()
        except ConnectionError as error:
            what = f"the Ray cluster is gone ({error}): once it is back, run the same command again"
            raise UserError(what, 1) from error
        return self.status

    def _outcome(self) -> int:
        try:
            return int(self.ray.get(self.task))
        except self.ray.exceptions.RayTaskError as error:
            self.failure = str(error.cause)
            return 1
        except self.ray.exceptions.RayError as error:
            self.failure = f"its worker was lost ({type(error).__name__})"
            return LOST

    def stop(self, run: RunFolder | None) -> None:
        """Let it save and stop; a second call, or one before it runs, stops it at once.

        Ray learns of it at the next poll: a signal handler must not call it.
        """
        self.cancelled = self.stop_requested or run is None or not run.is_locked()
        self.stop_requested = True
        if run is not None and not self.cancelled:
            with contextlib.suppress(OSError):
                post(run.control, Stop())

    def reason(self) -> str:
        return self.failure or last_error(self.log, self.log_start, self.status or 0)


def _check(address: str, option: str) -> None:
    """Check at once whether anything answers there: Ray itself would try for minutes.

    Raises:
        UserError: it is no address.
        OSError: nothing answers.
    """
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    words = "local, ray" if option == "--on" else "local, auto"
    mistake = UserError(f"{option} must be {words}, ray://HOST:PORT or HOST:PORT, not '{address}'")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        raise mistake
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except UnicodeError as error:  # no name of a host can be like that
        raise mistake from error


def train_here(arguments: list[str], environment: dict[str, str], log: str, folder: str) -> int:
    """On a node: run `icot-tui ARGUMENTS` in this process. Returns its exit status.

    Raises:
        UserError: the node can't write the log.
    """
    with contextlib.suppress(OSError):  # where there is none, relative paths are missed later
        os.chdir(folder)
    try:
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        what = f"node {socket.gethostname()} cannot write {log}: {error.strerror}"
        raise UserError(f"{what}; all nodes must share the folder of the runs (--runs)") from error
    os.environ.update(environment)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = ["icot-tui", *arguments]
    try:
        runpy.run_module("icot_tui", run_name="__main__")
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
