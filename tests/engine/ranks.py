"""`icot-tui` in several processes of this machine, each with the environment a launcher gives."""

import os
import socket
from collections.abc import Callable
from subprocess import PIPE

from icot_tui.cli.app import main
from tests.forked import ROOT, ForkedProcess


def run_ranks(*arguments: str, program: Callable[[], object] = main, processes: int = 2) -> None:
    """Run a command in so many processes to its end, as torchrun starts them.

    That torchrun itself starts them is checked by `tests/cli/test_train.py`.
    """
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
        for process in started:
            output, errors = process.communicate(timeout=200)
            assert process.returncode == 0, output + errors
    finally:
        for process in started:
            process.kill()
            process.wait()
