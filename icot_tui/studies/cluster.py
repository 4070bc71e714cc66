"""Trials on a Ray cluster: one a GPU, or so many CPUs, each in a worker process of its own.

The runs' folder is on storage that all nodes share, so everything is where it is on one machine. A
trainer is the worker itself: neither outlives the other, and with both go the locks.
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
from typing import Any

from icot_tui.config import RunConfig
from icot_tui.engine.loop.commands import Stop, post
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.existing_runs import Claim
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Trial
from icot_tui.studies.trial_process import arguments, last_error
from icot_tui.studies.worker_slots import WorkerSlot, share_cores, worker_slot

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Where Ray itself is told of the cluster that this machine belongs to."""
HERE = "ray"
"""In place of an address: the cluster that this machine belongs to, or else one of it alone."""
CLIENT = "ray://"
STORE_BYTES = 100 << 20
"""Of shared memory for a cluster of ours: nothing but exit statuses goes through it."""
ANSWER_SECONDS = 5.0
LOST = -9
"""The exit status of a trainer that went with its worker."""


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
        told = os.environ.get(ADDRESS_VARIABLE) if address == HERE else None
        address = told or address
        try:
            self._connect(address, bool(told))
        except (OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or " ".join(str(error).split("\n")[:1])
            if address.startswith(CLIENT) and "RAY_AUTH_MODE" not in os.environ:
                why += " (of one that asks for a token, set RAY_AUTH_MODE=token here too)"
            raise UserError(f"no Ray cluster could be reached at {address}: {why}", 1) from error

    def _connect(self, address: str, told: bool) -> None:
        """To that address, which Ray was `told` of if it is not the user's."""
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if told or address != HERE:
            if not (told and address in ("auto", "local")):
                _check(address, ADDRESS_VARIABLE if told else "--on")
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

    def places(self, configs: Sequence[RunConfig], jobs: int | None) -> list[WorkerSlot]:
        """A place for each trial that trains at the same time, as many as the cluster holds now.

        Args:
            configs: of the trials.
            jobs: how many at once instead; those that find no room wait until there is.
        """
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        devices = {config.train.device for config in configs}
        gpus = 0 if devices <= {"cpu", "mps"} else int(sum(node.get("GPU", 0) for node in nodes))
        if gpus:
            self._needs = {"num_gpus": 1, "num_cpus": 1}
            count = min(jobs or gpus, max(1, len(configs)))
            return [WorkerSlot(())] * count
        cores = [int(node.get("CPU", 0)) for node in nodes]
        threads, count = share_cores(configs, jobs, cores)
        self._needs = {"num_gpus": 0, "num_cpus": min(threads, max(cores, default=1))}
        return [worker_slot(threads)] * count

    def start(
        self,
        study: StudyFolder,
        trial: Trial,
        place: WorkerSlot,
        claim: Claim,
        run: RunFolder | None,
    ) -> "ClusterTrainer":
        """Have a trial trained, or its run gone on with, wherever there is room."""
        log = study.log(trial)
        began_at = log.stat().st_size if log.exists() else 0
        task = self._ray.remote(max_calls=1, max_retries=0, **self._needs)(train_here).remote(
            arguments(study, trial, run), dict(place.environment), str(log), os.getcwd()
        )
        return ClusterTrainer(
            ray=self._ray,
            task=task,
            place=place,
            claim=claim,
            log=log,
            log_start=began_at,
            resumed=run,
        )


@dataclass(eq=False)
class ClusterTrainer:
    """A task of the cluster that trains, and the trial's lock, which is held here."""

    ray: Any
    task: Any
    place: WorkerSlot
    claim: Claim
    log: Path
    log_start: int
    resumed: RunFolder | None
    status: int | None = None
    why: str = ""
    asked: bool = False
    cut: bool = False

    def poll(self) -> int | None:
        """Its exit status, below 0 if its worker was lost; None while it waits or is at work.

        Raises:
            UserError: the cluster is gone, and all of our trainers with it.
        """
        try:
            if self.status is None and self._is_over():
                self.status = self._outcome()
                self.claim.release()
        except ConnectionError as error:
            what = f"the Ray cluster is gone ({error}): once it is back, the same command goes on"
            raise UserError(what, 1) from error
        return self.status

    def _is_over(self) -> bool:
        if self.cut:
            self.ray.cancel(self.task, force=True)
        done, _ = self.ray.wait([self.task], timeout=0)
        return bool(done)

    def _outcome(self) -> int:
        try:
            return int(self.ray.get(self.task))
        except self.ray.exceptions.RayTaskError as error:
            self.why = str(error.cause)
            return 1
        except self.ray.exceptions.RayError as error:
            self.why = f"its worker was lost ({type(error).__name__})"
            return LOST

    def stop(self, run: RunFolder | None) -> None:
        """Let it save and stop; a second time, or before it is at work: at once.

        Ray is told at the next poll: a signal handler must not call it.
        """
        self.cut = self.asked or run is None or not run.is_locked()
        self.asked = True
        if run is not None and not self.cut:
            with contextlib.suppress(OSError):
                post(run.control, Stop())

    def reason(self) -> str:
        """Why it failed, in one sentence."""
        return self.why or last_error(self.log, self.log_start, self.status or 0)


def _check(address: str, option: str) -> None:
    """See at once whether anything answers there: Ray itself tries for minutes.

    Raises:
        UserError: it is no address.
        OSError: nothing does.
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
    """On a node: `icot-tui ARGUMENTS` in this very process. Returns its exit status.

    Raises:
        UserError: the node does not see the log.
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
