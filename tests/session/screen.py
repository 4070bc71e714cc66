"""Drives a program in a real terminal: types, reads, stops reading, hangs up."""

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.journal.events import Event, RunEnded, StepsTrained
from icot_tui.engine.journal.journal import JournalReader, encode_line
from icot_tui.engine.run_folder import RunFolder
from tests.events import STARTED, trained
from tests.forked import PROGRAM, ForkedProcess
from tests.tiny_file import tiny_toml

PATIENCE = 60.0
CONTROL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[^\[])")
DIALOG = "The run is still training."
DETACHED = "training goes on in the background"
IN_SCREEN = b"\x1b[?1049h"
OUT_OF_SCREEN = b"\x1b[?1049l"

TINY = tiny_toml(max_steps=300, evaluate_every=100_000)
ENDLESS = ("--set", "train.max_steps=100000000")


def a_finished_run(runs: Path, name: str, began: float) -> None:
    """A run that began then, in seconds since the epoch."""
    folder = RunFolder.create(runs, name, dump_toml(load_config("demo").config))
    ended = RunEnded(step=1, reason="done", finished=True)
    events = (STARTED, trained(1), ended)
    folder.journal.write_bytes(b"".join(encode_line(began, event) for event in events))


def environment(folder: Path, threads: int | None = 1) -> dict[str, str]:
    """Of a program that keeps to a folder, with a terminal that knows colours."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OMP_NUM_THREADS", "COLUMNS", "LINES", "NO_COLOR", "TMUX")
    }
    homes = {
        f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "STATE")
    }
    limit = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return given | homes | limit | {"TERM": "xterm-256color"}


class Screen:
    """A process with a terminal of its own, as `ssh -t` gives it one.

    Args:
        command: program and arguments; only its arguments if a `program` is given.
        folder: where it runs; runs and caches are kept there.
        size: columns and rows.
        threads: of the tensor library; None for its own choice.
        program: to be forked, with its libraries loaded already.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        size: tuple[int, int] = (100, 30),
        threads: int | None = 1,
        program: Callable[[], object] | None = None,
    ) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.pieces: list[tuple[float, bytes]] = []
        self._reads = threading.Event()
        self._reads.set()
        (folder / "tiny.toml").write_text(TINY)
        self._master, slave = pty.openpty()
        self.resize(*size)
        self.process: subprocess.Popen[bytes] | ForkedProcess
        how: dict[str, Any] = {"cwd": folder, "env": environment(folder, threads)}
        how |= {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
        if program is not None:
            self.process = ForkedProcess(command, program=program, **how)
        else:
            self.process = subprocess.Popen(
                command, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **how
            )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> bytes:
        """All that was written to the terminal."""
        return b"".join(piece for _, piece in self.pieces)

    @property
    def text(self) -> str:
        """The same without control sequences."""
        return CONTROL.sub(b"", self.output).decode(errors="replace")

    @property
    def run_folder(self) -> RunFolder:
        return RunFolder(self.folder / "runs" / "tiny")

    def events(self) -> list[Event]:
        return [event for _, event in JournalReader(self.run_folder.journal).events()]

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def ask(self, key: str = "q") -> None:
        """Open the dialog in which one leaves a training."""
        seen = self.text.count(DIALOG)
        self.type(key)
        self.wait_for(lambda: self.text.count(DIALOG) > seen, "dialog")

    def leave(self, answer: str) -> None:
        """Leave a training: d, s or n."""
        self.ask()
        self.type(answer)

    def run(self, command: str) -> None:
        """Type a command of ours into a shell."""
        self.type(f"{shlex.join([*PROGRAM])} {command}\n")

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def modes(self) -> list[object]:
        return termios.tcgetattr(self._master)

    def stop_reading(self) -> None:
        """The link stalls: the terminal takes nothing more."""
        self._reads.clear()

    def go_on_reading(self) -> None:
        self._reads.set()

    def hang_up(self) -> None:
        """The link is gone."""
        master, self._master = self._master, -1
        self._reads.set()
        os.close(master)

    def wait_for(self, what: Callable[[], object], why: str = "") -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, f"{why}: {self.text[-2000:]}"
            time.sleep(0.03)

    def wait_for_text(self, text: str) -> None:
        self.wait_for(lambda: text in self.text, text)

    def wait_for_step(self, step: int) -> None:
        def trained() -> bool:
            return any(isinstance(e, StepsTrained) and e.step >= step for e in self.events())

        self.wait_for(trained, f"step {step}")

    def train_on(self, steps: int = 50) -> None:
        """Until so many more steps are trained."""
        self.wait_for_step(self.events()[-1].step + steps)

    def wait_for_end(self) -> RunEnded:
        """Until the training has ended, whoever does it."""
        self.wait_for(lambda: any(isinstance(e, RunEnded) for e in self.events()), "end")
        self.wait_for(lambda: not self.run_folder.is_locked(), "lock")
        return next(event for event in self.events() if isinstance(event, RunEnded))

    def trainer(self) -> int:
        """The process that trains."""
        self.wait_for(lambda: self.run_folder.holder(), "holder")
        return int(str(self.run_folder.holder()).split()[1])

    def status(self) -> int:
        """Exit status of the process that was started."""
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End whatever is left."""
        pids = [self.process.pid] if self.process.poll() is None else []
        holder = self.run_folder.holder()
        if holder and self.run_folder.is_locked():
            pids.append(int(holder.split()[1]))
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        if self._master >= 0:
            self.hang_up()

    def _read(self) -> None:
        while self._master >= 0:
            self._reads.wait()
            try:
                if select.select([self._master], [], [], 0.05)[0] and self._reads.is_set():
                    data = os.read(self._master, 65536)
                    self.pieces.append((time.monotonic(), data))
            except (OSError, ValueError):
                return


Launch = Callable[..., Screen]


def in_order(screen: Screen, before: list[object]) -> bool:
    """Is the terminal as it was?"""
    output = screen.output
    left = output.rfind(OUT_OF_SCREEN) > output.rfind(IN_SCREEN)
    shown = output.rfind(b"\x1b[?25h") > output.rfind(b"\x1b[?25l")
    quiet = output.rfind(b"\x1b[?1003l") > output.rfind(b"\x1b[?1003h")
    plain = output.rfind(b"\x1b[?2004l") > output.rfind(b"\x1b[?2004h")
    return left and shown and quiet and plain and screen.modes() == before
