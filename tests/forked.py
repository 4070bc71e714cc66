"""Processes that start at once: forked from a server that has the libraries loaded already.

`python -m icot_tui train` loads PyTorch and Transformers for some eight seconds of processor time.
A forked process has streams, a session, signals and an end of its own just like it.
"""

import contextlib
import fcntl
import multiprocessing
import os
import sys
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess, TimeoutExpired
from typing import Any

from icot_tui.cli.app import main

ROOT = Path(__file__).parents[1]
PROGRAM = [sys.executable, "-m", "icot_tui"]
"""What a forked process stands for."""
LOADED = [
    "icot_tui.runs.session",
    "icot_tui.tui.app.app",
    "transformers.models.gpt2.modeling_gpt2",
]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LOADED)


def start_forked(target: Callable[..., object], *args: Any) -> BaseProcess:
    """Call a function of a module in a forked process."""
    process = _context.Process(target=target, args=args)
    with contextlib.chdir(ROOT):  # where the server finds the package
        process.start()
    return process


class ForkedProcess:
    """`icot-tui ARGUMENTS` in a forked process, used like a `subprocess.Popen` of text.

    Args:
        arguments: of the command line.
        program: the command line itself, or another function of a module.
        stdin, stdout, stderr: descriptors, DEVNULL, or PIPE for the latter two.
        start_new_session: lead a session; its terminal is stdin, if that is one.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        program: Callable[[], Any] = main,
        start_new_session: bool = False,
        **streams: int,
    ) -> None:
        self.stdout = self.stderr = None
        given = []
        for name in ("stdin", "stdout", "stderr"):
            stream = streams.get(name, DEVNULL)
            if stream == PIPE:
                read, end = os.pipe()
                setattr(self, name, os.fdopen(read))
            else:
                end = os.open(os.devnull, os.O_RDWR) if stream == DEVNULL else os.dup(stream)
            given.append(Connection(end))
        self._process = start_forked(
            _run, program, list(arguments), cwd, dict(env), given, start_new_session
        )
        for one in given:
            one.close()
        self.pid: int = self._process.pid  # type: ignore[assignment]

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired(self._process.name, timeout or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What is left of the output and of the errors, once the process has ended."""
        read: list[str] = ["", ""]

        def drain(place: int, stream: Any) -> None:
            read[place] = stream.read()

        pipes = [(place, s) for place, s in enumerate((self.stdout, self.stderr)) if s is not None]
        readers = [threading.Thread(target=drain, args=one, daemon=True) for one in pipes]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return read[0], read[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def run_forked(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float = 200.0
) -> "CompletedProcess[str]":
    """Run the command line to its end, like `subprocess.run`; its input is empty."""
    process = ForkedProcess(arguments, cwd, env, stdout=PIPE, stderr=PIPE)
    output, errors = process.communicate(timeout)
    return CompletedProcess(list(arguments), process.wait(), output, errors)


def _run(
    program: Callable[[], Any],
    arguments: list[str],
    cwd: Path,
    env: dict[str, str],
    streams: list[Connection],
    start_new_session: bool,
) -> None:
    """Become as a process that was just started."""
    if start_new_session:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    if start_new_session and os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(cwd)
    become(program, arguments, env)


def become(program: Callable[[], Any], arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Run the program in this process, which has its streams already."""
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["icot-tui", *arguments]
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, closefd=False)
    program()
