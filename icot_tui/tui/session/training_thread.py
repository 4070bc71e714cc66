"""The training on a thread of its own, which never waits for a screen and outlives it."""

import contextlib
import importlib
import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from icot_tui.config import RunConfig, load_config
from icot_tui.engine.journal.events import Event, RunEnded, Warned
from icot_tui.engine.journal.journal import Journal, last_step
from icot_tui.engine.loop.commands import Command, CommandQueue
from icot_tui.engine.loop.memory import nothing_collected
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError, reason
from icot_tui.files import open_file
from icot_tui.runs.new_run import create_run

Phase = Literal[
    "opening the screen",
    "loading PyTorch",
    "loading the model library",
    "preparing data and model",
    "training",
    "ended",
    "failed",
]
LIBRARIES: tuple[tuple[Phase, tuple[str, ...]], ...] = (
    ("loading PyTorch", ("torch",)),
    ("loading the model library", ("accelerate", "icot_tui.runs.session")),
)
"""What is imported behind the first frame, in this order."""
SCREEN_SECONDS = 5.0
"""How long the first frame of the screen is waited for."""


class TrainingThread:
    """Trains a run, new or resumed, and reports its phase; made and started outside the app.

    The run folder exists, and is locked, before torch is imported. The thread is not a daemon:
    whatever happens to the rest of the process, Python waits for it.

    Attributes:
        folder: of the run.
        is_new: was the folder made here?
        commands: those of this process and of the run's mailbox.
        phase: what it does now, in plain words.
        ended: how the run ended; None before.
        seconds: how long it took this time, once it has ended.
        error: the message for the user if it failed; the traceback is in the folder's log.
        exit_status: of a failure: 2 for bad input, otherwise 1.
        screen_ready: to be set once the screen is painted, or will never be.
        listener: called with each event, on the training thread, after it was journaled.

    Raises:
        UserError: the folder can't be created, or another process trains in it.
    """

    def __init__(self, config: RunConfig | None, folder: RunFolder | None, runs: Path) -> None:
        self.is_new = folder is None
        if folder is None:
            assert config is not None, "a new run needs a config"
            folder = create_run(config, runs)
        self.folder = folder
        self.folder.lock()
        self.config = config or load_config(folder.config).config
        self.commands = CommandQueue(folder.control)
        self.phase: Phase = "opening the screen"
        self.seconds = 0.0
        self.ended: RunEnded | None = None
        self.error: str | None = None
        self.exit_status = 0
        self.screen_ready = threading.Event()
        self.listener: Callable[[Event], None] | None = None
        self._thread = threading.Thread(target=self._work, name="engine")

    @property
    def startup_phase(self) -> str | None:
        """What is done before training begins; None once it has begun."""
        return None if self.phase in ("training", "ended", "failed") else self.phase

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; libraries are imported once the screen is painted or no longer waited for."""
        self._thread.start()

    def send(self, command: Command) -> None:
        """Have a command carried out between two steps; safe anywhere."""
        self.commands.put(command)

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; True if it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        self.screen_ready.wait(SCREEN_SECONDS)
        try:
            self._train()
        except BaseException as error:  # even a library's sys.exit is reported
            self._fail(error)

    def _train(self) -> None:
        with nothing_collected():
            for phase, modules in LIBRARIES:
                self.phase = phase
                for module in modules:
                    importlib.import_module(module)
        from icot_tui.runs.session import run_training
        from icot_tui.studies.exporting import model_card

        self.phase = "preparing data and model"
        began = time.monotonic()
        self.ended = run_training(self.folder, self.commands, self._on_event, model_card)
        self.seconds = time.monotonic() - began
        self.phase = "ended"

    def _on_event(self, event: Event) -> None:
        self.phase = "training"
        if self.listener is not None:
            self.listener(event)

    def _fail(self, error: BaseException) -> None:
        self.error = reason(error)
        self.exit_status = error.exit_status if isinstance(error, UserError) else 1
        with contextlib.suppress(OSError, UserError):
            log = open_file(self.folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            with open(log, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write("".join(traceback.format_exception(error)))
            step = last_step(self.folder.journal)
            if step is not None:  # other viewers are told, unless nothing was journaled yet
                journal = Journal(self.folder.journal)
                journal.write(Warned(step=step, message=f"the training failed: {self.error}"))
                journal.close()
        with contextlib.suppress(OSError):
            self.folder.unlock()
        self.phase = "failed"
