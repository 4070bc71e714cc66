"""`icot-tui` in several processes of this machine, each with the environment a launcher gives."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import PIPE

from icot_tui.cli.app import main
from icot_tui.engine.loop.trainer import Trainer
from tests.forked import ROOT, ForkedProcess


def run_ranks(*arguments: str, program: Callable[[], object] = main, processes: int = 2) -> None:
    """Run a command in so many processes to its end, as torchrun starts them.

    That torchrun itself starts them is checked by `tests/cli/test_train.py`.
    """
    with started_ranks(*arguments, program=program, processes=processes) as started:
        for process in started:
            output, errors = process.communicate(timeout=200)
            assert process.returncode == 0, output + errors


@contextmanager
def started_ranks(
    *arguments: str, program: Callable[[], object] = main, processes: int = 2
) -> Iterator[list[ForkedProcess]]:
    """The same processes at work; killed in the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    started = [
        ForkedProcess(
            arguments,
            ROOT,
            os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            program,
            stdout=PIPE,
            stderr=PIPE,
        )
        for rank in range(processes)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def main_slowly() -> None:
    """The program with steps so slow that a signal meets one of the first."""
    step = Trainer._train_step

    def slow_step(trainer: Trainer) -> None:
        time.sleep(0.2)
        step(trainer)

    Trainer._train_step = slow_step  # type: ignore[method-assign]
    main()
