"""Trains the tiny run again and again, killing it with SIGKILL at random moments.

Runs in a process of its own, which has loaded everything: it forks a trainer for each attempt, so
that a kill costs a fraction of a second, and hits the training and not an import. Prints one line a
finished run.

    python -m tests.faults.kill_often FOLDER KILLS SEED
"""

import importlib
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from tests.forked import LOADED
from tests.tiny import tiny, train


def attempt(folder: RunFolder, seconds: float | None) -> bool:
    """Train in a forked process, killed after so many seconds; True when it got to the end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            train(folder)
            status = 0
        finally:
            os._exit(status)
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0, "the trainer failed by itself"
            return True
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.002)


def main() -> None:
    """Kill so often; every run is trained to its end in spite of it."""
    runs, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    for name in LOADED:  # those that are not there yet
        importlib.import_module(name)
    moments = random.Random(seed)
    config = tiny(checkpoints={"keep": 3, "every_steps": 2})
    attempt(create_run(config, runs), None)  # the first one makes the data
    began = time.monotonic()
    attempt(create_run(config, runs), None)
    whole = time.monotonic() - began
    killed = 0
    while killed < kills:
        folder = create_run(config, runs)
        while not attempt(folder, moments.uniform(0.1, 0.9) * whole if killed < kills else None):
            killed += 1
        print(folder.path, killed, flush=True)


if __name__ == "__main__":
    main()
