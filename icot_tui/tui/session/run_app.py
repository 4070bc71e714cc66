"""Runs the screen and makes sure that its end never ends the training."""

import faulthandler
import gc
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from textual import events
from textual.app import App

from icot_tui.engine.loop.commands import Preempt, Stop
from icot_tui.output import say
from icot_tui.tui.session.driver import DriverContext, ScreenDriver
from icot_tui.tui.session.parent_process import ParentProcess
from icot_tui.tui.session.terminal import QUIET, Terminal, restore, write_message

if TYPE_CHECKING:
    from icot_tui.tui.session.training_thread import TrainingThread

SWITCH_SECONDS = 5e-5
"""Python's thread switch interval: with the usual one a drawing thread slows down every step."""
SAME_SIGNAL_SECONDS = 0.2
"""A signal that comes again so soon is the same one, passed on by the parent process."""
EXIT_SECONDS = 10.0
"""A screen that has not ended so long after it was told to hangs; training goes on without it."""

ExitChoice = Literal["detach", "save", "now", "close"]
"""What the app returns: train on without a screen, save and stop, stop at once; or, when there is
nothing to stop, simply close."""
ExitReason = Literal["detach", "save", "now", "close", "gone", "terminated", "crashed"]
"""The same, or what happened to the screen: its terminal is gone, SIGTERM came, its code failed."""


class ScreenApp(App[ExitChoice], inherit_bindings=False):
    """An app that can be left for the home screen.

    Attributes:
        home_next: does the home screen come next?
    """

    home_next = False

    def leave(self, choice: ExitChoice = "close", *, home: bool = False) -> None:
        """End the app; the home screen comes next if `home`."""
        self.home_next = home
        self.exit(choice)


@dataclass(frozen=True)
class ScreenExit:
    """Why the screen ended, the error if its code failed, and whether the home screen is next."""

    reason: ExitReason
    error: Exception | None = None
    home: bool = False


def run_with_screen(
    build_app: Callable[[], ScreenApp],
    training: "TrainingThread | None" = None,
    parent: ParentProcess | None = None,
) -> ScreenExit:
    """Run the app until it ends; on return the terminal is restored.

    The training is started, and may well be running still on return. The signal handlers stay
    in force then: SIGHUP and SIGTERM do not end a process that trains.

    Args:
        build_app: makes the app, which returns the user's choice.
        training: made but not started; None for a mere viewer.
        parent: the parent process, if there is one; released when the user detaches.
    """
    for name, value in QUIET.items():  # before the libraries are imported
        os.environ.setdefault(name, value)
    terminal = Terminal()
    terminal.redirect_output(training.folder.log if training else None)
    runner = ScreenRunner(training, parent, terminal)
    if training is not None:
        training.start()
    switch = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        ended = runner.run(build_app)
    finally:
        gc.enable()
        sys.setswitchinterval(switch)
        if training is not None:
            training.screen_ready.set()
    runner.hand_back_terminal(ended)
    return ended


class ScreenRunner:
    """Runs the app, ends it when its terminal is gone or a signal comes, and notices a hang."""

    def __init__(
        self, training: "TrainingThread | None", parent: ParentProcess | None, terminal: Terminal
    ) -> None:
        self._training = training
        self._parent = parent
        self._terminal = terminal
        self._driver: ScreenDriver | None = None
        self._reason: ExitReason | None = None
        self._asked_at = 0.0
        self._over = False
        self._app: ScreenApp | None = None
        self._streams = sys.stdout, sys.stderr
        for number, handler in (
            (signal.SIGHUP, self._on_hangup),
            (signal.SIGTERM, self._on_terminate),
            (signal.SIGUSR1, self._on_preempt),
            (signal.SIGUSR2, self._on_preempt),
            (signal.SIGINT, self._on_interrupt),
        ):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, handler)

    def run(self, build_app: Callable[[], ScreenApp]) -> ScreenExit:
        error: Exception | None = None
        choice: ExitChoice | None = None
        faulthandler.enable(2)
        threading.Thread(target=self._watch, name="screen-watch", daemon=True).start()
        try:
            self._app = build_app()
            context = DriverContext(
                descriptor=self._terminal.descriptor,
                opened=self._opened,
                painted=self._painted,
                lost=lambda: self.end("gone"),
                can_stop=self._parent.can_stop if self._parent else self._training is None,
            )
            self._app.driver_class = type("Driver", (ScreenDriver,), {"context": context})
            choice = self._app.run()
            if self._app.return_code:
                error = self._app._exception or RuntimeError("the screen failed")
        except Exception as failure:
            say(traceback.format_exc().rstrip(), error=True)
            error = failure
        self._over = True
        for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH):  # Textual's, whose loop
            signal.signal(number, signal.SIG_DFL)  # has ended
        if self._parent is not None:
            self._parent.closed()
        if self._reason == "terminated":
            time.sleep(max(0.0, self._asked_at + SAME_SIGNAL_SECONDS - time.monotonic()))
        return self._exit_of(choice, error)

    def _exit_of(self, choice: ExitChoice | None, error: Exception | None) -> ScreenExit:
        home = self._app is not None and self._app.home_next
        if choice in ("save", "now"):
            return ScreenExit(choice, home=home)
        if self._reason is not None:
            return ScreenExit(self._reason)
        if error is not None:
            return ScreenExit("crashed", error)
        trains = self._training is not None and self._training.alive
        return ScreenExit("detach" if trains else "close", home=home)

    def hand_back_terminal(self, ended: ScreenExit) -> None:
        """Restore, keep or detach from the terminal, and tell the user what goes on."""
        training = self._training
        if training is None or not training.alive or ended.reason in ("save", "now"):
            self._terminal.restore_output()
            return
        process = f"process {os.getpid()}"
        attach = f"icot-tui attach {training.folder.path}"
        if ended.reason == "terminated":
            write_message(
                self._terminal.descriptor,
                f"the screen is closed, training goes on without it ({process}); "
                f"SIGTERM or Ctrl-C saves and stops; to look at it: {attach}\n",
            )
            return
        self._terminal.detach()
        if self._parent is not None and ended.reason in ("detach", "crashed"):
            failed = f"the screen failed, see {training.folder.log}; " if ended.error else ""
            self._parent.release(
                f"{failed}training goes on in the background ({process}); come back with: {attach}",
                ended.home,
            )

    def end(self, reason: ExitReason) -> None:
        """End the screen; safe from any thread and from a signal handler."""
        if self._reason is None and not self._over:
            self._asked_at = time.monotonic()
            self._reason = reason
            self._schedule_exit()

    def _schedule_exit(self) -> None:
        if self._driver is not None and self._app is not None:
            self._driver.call_soon(self._exit_app)

    def _exit_app(self) -> None:
        if self._app is not None and self._app.return_value is None:  # the user was not faster
            self._app.exit()

    def _opened(self, driver: ScreenDriver) -> None:
        self._driver = driver
        if self._parent is not None:
            self._parent.opened()
        if self._reason is not None:
            self._schedule_exit()

    def _painted(self) -> None:
        # Textual replaces Python's streams while it runs and drops what is printed.
        sys.stdout, sys.stderr = self._streams
        gc.enable()
        if self._training is not None:
            self._training.screen_ready.set()

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        self.end("gone")

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        """The first one ends the screen, a second one stops the training."""
        now = time.monotonic()
        if self._reason == "terminated" and now < self._asked_at + SAME_SIGNAL_SECONDS:
            return
        if self._reason is None and not self._over:
            self.end("terminated")
        elif self._training is not None:
            self._training.send(Stop())

    def _on_preempt(self, number: int, frame: FrameType | None) -> None:
        """A scheduler says that the time is nearly over: save and stop the training, then leave."""
        if self._training is not None:
            self._training.send(Preempt(why="asked by the scheduler"))
        if self._reason is None and not self._over:
            self.end("terminated")

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Sent from outside, or by a terminal that turns the key into a signal: treat as a key."""
        if self._driver is not None and not self._over:
            self._driver.process_message(events.Key("ctrl+c", "\x03"))

    def _watch(self) -> None:
        """Notice a parent process that is gone, and a screen that hangs."""
        alive = [self._parent.alive] if self._parent is not None else []
        while not self._over:
            ready: list[Any] = select.select(alive, [], [], 0.5)[0]
            if ready:
                alive = []
                self.end("gone")
            if self._reason is not None and time.monotonic() > self._asked_at + EXIT_SECONDS:
                self._abandon_screen()

    def _abandon_screen(self) -> None:
        """The app hangs in the main thread: wait for the training in this one, then exit."""
        if self._over:
            return
        faulthandler.dump_traceback(2)
        restore(self._terminal.descriptor, self._terminal.modes)
        if self._parent is not None:
            self._parent.closed()
        status = 1
        if self._training is not None:
            self._training.screen_ready.set()
            self._training.join()
            status = 0 if self._training.ended is not None else 1
        if not self._over:
            os._exit(status)
