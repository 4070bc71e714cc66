"""The training on a thread of its own, which waits for no screen and outlives each."""

import contextlib
import importlib
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from icot_tui.config import RunConfig, dump_toml, load_config
from icot_tui.engine.journal.events import Event, RunEnded, Warned
from icot_tui.engine.journal.journal import Journal, last_step
from icot_tui.engine.loop.commands import Command, CommandQueue
from icot_tui.engine.loop.memory import nothing_collected
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError

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
    ("loading the model library", ("accelerate", "icot_tui.engine.session")),
)
"""What is imported behind the first frame, in the order in which it is told."""
SCREEN_SECONDS = 5.0
"""A screen that has not been painted after so long is waited for no longer."""


class TrainingThread:
    """Trains a run, new or resumed, and says what it does; made and started outside the app.

    The run folder is there, and locked, before torch is imported. The thread is no daemon: whatever
    becomes of the rest of the process, Python waits for it.

    Attributes:
        folder: of the run.
        is_new: was the folder made here?
        commands: wishes of this process and of the run's mailbox.
        phase: what it does, in plain words.
        phase_since: when that began, on the monotonic clock.
        ended: how the run ended; None before.
        seconds: how long it took this time, once it has ended.
        error: the sentence for the user if it failed; the traceback is in the folder's log.
        exit_status: 1, or 2 where the input was bad, if it failed.

    Raises:
        UserError: the folder can't be made, or another trainer is at work in it.
    """

    def __init__(self, config: RunConfig | None, folder: RunFolder | None, runs: Path) -> None:
        self.is_new = folder is None
        if folder is None:
            assert config is not None, "a new run needs a config"
            folder = RunFolder.create(runs, config.name, dump_toml(config))
        self.folder = folder
        self.folder.lock()
        self.config = config or load_config(folder.config).config
        self.commands = CommandQueue(folder.control)
        self.phase: Phase = "opening the screen"
        self.phase_since = time.monotonic()
        self.seconds = 0.0
        self.ended: RunEnded | None = None
        self.error: str | None = None
        self.exit_status = 0
        self.painted = threading.Event()
        self._listener: Callable[[Event], None] | None = None
        self._thread = threading.Thread(target=self._work, name="engine")

    @property
    def startup_phase(self) -> str | None:
        """What is done before training begins; None once it has begun."""
        return None if self.phase in ("training", "ended", "failed") else self.phase

    @property
    def alive(self) -> bool:
        """Does it work?"""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; libraries are imported once the screen is painted, or no longer waited for."""
        self._thread.start()

    def listen(self, listener: Callable[[Event], None] | None) -> None:
        """Have each event told on the training thread, after it was journaled."""
        self._listener = listener

    def send(self, command: Command) -> None:
        """Have a command carried out between two steps; safe anywhere."""
        self.commands.put(command)

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end, or so long; True if it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        self.painted.wait(SCREEN_SECONDS)
        try:
            self._train()
        except BaseException as error:  # not even a library's sys.exit goes unnoticed
            self._fail(error)

    def _train(self) -> None:
        with nothing_collected():
            for phase, modules in LIBRARIES:
                self._enter(phase)
                for module in modules:
                    importlib.import_module(module)
        from icot_tui.engine.session import run_training

        self._enter("preparing data and model")
        began = time.monotonic()
        self.ended = run_training(self.folder, self.commands, self._hear)
        self.seconds = time.monotonic() - began
        self._enter("ended")

    def _enter(self, phase: Phase) -> None:
        self.phase_since = time.monotonic()
        self.phase = phase

    def _hear(self, event: Event) -> None:
        if self.phase != "training":
            self._enter("training")
        if self._listener is not None:
            self._listener(event)

    def _fail(self, error: BaseException) -> None:
        bad_input = isinstance(error, UserError)
        self.error = str(error) if bad_input else f"{type(error).__name__}: {error}"
        self.exit_status = error.exit_status if isinstance(error, UserError) else 1
        with contextlib.suppress(OSError, UserError):
            with open(self.folder.log, "a", encoding="utf-8", errors="backslashreplace") as log:
                log.write("".join(traceback.format_exception(error)))
            self._journal(f"the training failed: {self.error}")
        with contextlib.suppress(OSError):
            self.folder.unlock()
        self._enter("failed")

    def _journal(self, message: str) -> None:
        """Tell other viewers, unless nothing was journaled yet."""
        step = last_step(self.folder.journal)
        if step is not None:
            journal = Journal(self.folder.journal)
            journal.write(Warned(step=step, message=message))
            journal.close()
