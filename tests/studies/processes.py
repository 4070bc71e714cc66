"""Studies in real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from icot_tui.cli.app import main
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from tests.forked import PROGRAM, ForkedProcess, become
from tests.studies.small import SMALL, write_study

PATIENCE = 200.0
LONG = (
    '[vary.method."ICoT-SI"]\ntrain.max_steps = 900\nevaluation.every_steps = 900\n'
    "checkpoints.every_steps = 30\ncheckpoints.before_removal = false"
)
"""In place of a value's heading: it trains for a while, and saves often."""
NO_COT, STEPWISE = "small-cpu-no-cot-s0", "small-cpu-icot-si-s0"

SIGNALS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    **dict.fromkeys(
        (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2), signal.SIG_DFL
    ),
}
"""Their handlers in a program that was just started."""


class ForkingPopen(subprocess.Popen):  # type: ignore[type-arg]
    """Starts our program without an interpreter of its own: the forked child becomes it."""

    def __init__(self, command: list[str], **how: Any) -> None:
        if command[:3] != PROGRAM:
            super().__init__(command, **how)
            return
        kept = [0, 1, 2, *how["pass_fds"]]

        def run() -> None:
            status = 1
            try:
                signal.set_wakeup_fd(-1)
                for number, handler in SIGNALS.items():
                    if signal.getsignal(number) is not signal.SIG_IGN:
                        signal.signal(number, handler)
                for number in map(int, os.listdir("/proc/self/fd")):
                    if number not in kept:
                        with contextlib.suppress(OSError):  # the listing's own
                            os.close(number)
                become(main, command[3:], how["env"])
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            finally:
                sys.stdout.flush()
                os._exit(status)

        super().__init__(command, **how, preexec_fn=run)


def main_forking() -> None:
    """The program, whose trials are forked too: processes of their own as ever."""
    subprocess.Popen = ForkingPopen  # type: ignore[misc]
    main()


class Studies:
    """Runs studies in a folder of its own, and looks at what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.study = self.runs / "studies" / "small-cpu"
        self.started: list[ForkedProcess] = []
        self.environment = os.environ | {
            "ICOT_TUI_SPEED_SECONDS": "0.1",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def write(self, *changes: tuple[str, str]) -> None:
        """The study's file."""
        text = SMALL
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        write_study(self.folder, text)

    def start(self, *options: str) -> ForkedProcess:
        """Start the study in a process of its own; each trial it trains is another, of its own."""
        return self._start("study", "small.toml", *options)

    def _start(self, *words: str) -> ForkedProcess:
        process = ForkedProcess(
            list(words),
            self.folder,
            self.environment,
            main_forking,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.started.append(process)
        return process

    def run(self, *options: str) -> tuple[int, str, str]:
        """Exit status, output, errors."""
        return self.command("study", "small.toml", *options)

    def command(self, *words: str) -> tuple[int, str, str]:
        """The same of any command."""
        process = self._start(*words)
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors

    def run_folder(self, name: str) -> RunFolder:
        """A trial's run."""
        return RunFolder(self.runs / name)

    def count(self, name: str, kind: type) -> int:
        """How many such events its journal has."""
        events = JournalReader(self.run_folder(name).journal).events()
        return sum(isinstance(event, kind) for _, event in events)

    def finished(self, name: str) -> bool:
        """Was the recipe carried out to its end?"""
        ended = RunSummary.of(JournalReader(self.run_folder(name).journal).events()).ended
        return ended is not None and ended.finished

    def pid(self, name: str) -> int:
        """The trainer's process."""
        return int(json.loads((self.run_folder(name).path / "lock").read_text())["pid"])

    def ledger(self) -> list[dict[str, Any]]:
        """What became of the trials."""
        return [json.loads(line) for line in (self.study / "ledger.jsonl").read_text().splitlines()]

    def results(self) -> dict[str, Any]:
        """The results as data."""
        content: dict[str, Any] = json.loads((self.study / "results.json").read_text())
        return content


def wait_for(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.05)
