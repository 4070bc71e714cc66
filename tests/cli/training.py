"""The command line in processes of a test's own, and what they leave."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from icot_tui.engine.journal.events import (
    Event,
    StepsTrained,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from tests.forked import PROGRAM, ForkedProcess
from tests.tiny_file import tiny_toml

TINY = tiny_toml(max_steps=40, evaluate_every=20)


ENDLESS = ["--set", "train.max_steps=100000000", "--set", "evaluation.every_steps=100000000"]


PATIENCE = 200.0


class Cli:
    """Runs commands in a folder of its own, and looks at what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str] | ForkedProcess] = []
        (folder / "tiny.toml").write_text(TINY)

    def start(
        self, *arguments: str, loading: bool = False, **options: Any
    ) -> "subprocess.Popen[str] | ForkedProcess":
        """Start a command: forked, unless it must load what it needs."""
        environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.folder)}
        how: dict[str, Any] = {"cwd": self.folder, "env": environment}
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process: subprocess.Popen[str] | ForkedProcess
        if loading:
            process = subprocess.Popen([*PROGRAM, *arguments], text=True, **how)
        else:
            process = ForkedProcess(arguments, **how)
        self.started.append(process)
        return process

    def run(self, *arguments: str, loading: bool = False) -> tuple[int, str, str]:
        """Run a command to its end: exit status, output, errors."""
        process = self.start(*arguments, loading=loading)
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors

    @property
    def run_folder(self) -> RunFolder:
        """The only run's."""
        return RunFolder(self.folder / "runs" / "tiny")

    def events(self) -> list[Event]:
        """The run's journal."""
        return [event for _, event in JournalReader(self.run_folder.journal).events()]

    def wait_for(self, seen: Callable[[Event], bool]) -> None:
        """Until the journal has such an event."""
        deadline = time.monotonic() + PATIENCE
        while not any(map(seen, self.events())):
            assert time.monotonic() < deadline, self.events()[-3:]
            time.sleep(0.05)

    def wait_for_step(self, step: int) -> None:
        """Until so many steps are done."""
        self.wait_for(lambda event: isinstance(event, StepsTrained) and event.step >= step)

    def status(self) -> str:
        """What the run does now."""
        summary = RunSummary.of(JournalReader(self.run_folder.journal).events())
        return summary.status(self.run_folder.is_locked(), time.time())
