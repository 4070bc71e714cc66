"""Runs the screen, and sees to it that its end is never the training's."""

import contextlib
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
from types import FrameType
from typing import Any

from textual import events
from textual.app import App

from icot_tui.engine.loop.commands import Stop
from icot_tui.tui.session.driver import DriverContext, ScreenDriver, driver_for
from icot_tui.tui.session.parent_process import ParentProcess
from icot_tui.tui.session.quiet_libraries import quiet_libraries
from icot_tui.tui.session.screen_exit import ExitChoice, ExitReason, ScreenExit
from icot_tui.tui.session.terminal import Terminal
from icot_tui.tui.session.training_thread import TrainingThread

SWITCH_SECONDS = 5e-5
"""Python's thread switch interval: a drawing thread holds the usual one against every step."""
ECHO_SECONDS = 0.2
"""A signal that comes again so soon is the same one, passed on by the guardian."""
OVERDUE_SECONDS = 10.0
"""A screen that was told to leave and has not by then hangs: the training goes on without it."""


def run_with_screen(
    build_app: Callable[[TrainingThread | None], App[ExitChoice]],
    engine: TrainingThread | None,
    guardian: ParentProcess | None = None,
) -> ScreenExit:
    """Run the app until it is left, one way or the other; the terminal is restored by then.

    With an engine, it is started, and may well be at work still on return. The signal handlers stay
    in force then: SIGHUP and SIGTERM end no process whose engine is at work.

    Args:
        build_app: makes the app; its run returns how it was left.
        engine: made, and not started; None for a mere viewer.
        guardian: the thin parent, if there is one; released when the user detaches.
    """
    quiet_libraries()
    terminal = Terminal()
    terminal.lend(engine.folder.log if engine else None)
    departure = ScreenRunner(engine, guardian, terminal)
    if engine is not None:
        engine.start()
    switch = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        left = departure.run(build_app)
    finally:
        gc.enable()
        sys.setswitchinterval(switch)
        if engine is not None:
            engine.painted.set()
    _part(left, terminal, guardian, engine)
    return left


class ScreenRunner:
    """Knows why the screen has to go, makes it go, and notices if it does not."""

    def __init__(
        self, engine: TrainingThread | None, guardian: ParentProcess | None, terminal: Terminal
    ) -> None:
        self._engine = engine
        self._guardian = guardian
        self._terminal = terminal
        self._driver: ScreenDriver | None = None
        self._way: ExitReason | None = None
        self._asked_at = 0.0
        self._over = False
        self._app: App[ExitChoice] | None = None
        self._streams = sys.stdout, sys.stderr
        self._catch_signals()

    def run(self, build_app: Callable[[TrainingThread | None], App[ExitChoice]]) -> ScreenExit:
        """Run the app with all that guards it."""
        failure: Exception | None = None
        answer: ExitChoice | None = None
        faulthandler.enable(2)
        threading.Thread(target=self._watch, name="screen-watch", daemon=True).start()
        try:
            self._app = build_app(self._engine)
            self._app.driver_class = driver_for(self._link())
            answer = self._app.run()
            if self._app.return_code:
                failure = self._app._exception or RuntimeError("the screen failed")
        except Exception as error:
            traceback.print_exc()
            failure = error
        self._over = True
        for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH):  # Textual's, whose loop
            signal.signal(number, signal.SIG_DFL)  # has ended
        if self._guardian is not None:
            self._guardian.closed()
        if self._way == "terminated":
            time.sleep(max(0.0, self._asked_at + ECHO_SECONDS - time.monotonic()))
        return self._left(answer, failure)

    def _left(self, answer: ExitChoice | None, failure: Exception | None) -> ScreenExit:
        if answer in ("save", "now"):
            return ScreenExit(answer)
        if self._way is not None:
            return ScreenExit(self._way)
        if failure is not None:
            return ScreenExit("crashed", failure)
        if self._engine is None or not self._engine.alive:
            return ScreenExit("close")
        return ScreenExit("detach" if answer in (None, "close") else answer)

    def leave(self, way: ExitReason) -> None:
        """Have the screen go; safe from any thread and from a signal handler."""
        if self._way is None and not self._over:
            self._asked_at = time.monotonic()
            self._way = way
            self._exit()

    def _exit(self) -> None:
        if self._driver is not None and self._app is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._driver.loop.call_soon_threadsafe(self._exit_app)

    def _exit_app(self) -> None:
        if self._app is not None and self._app.return_value is None:  # the user was not quicker
            self._app.exit()

    def _link(self) -> DriverContext:
        may_stop = self._guardian.may_stop if self._guardian is not None else self._engine is None
        return DriverContext(
            descriptor=self._terminal.descriptor,
            opened=self._opened,
            painted=self._painted,
            lost=lambda: self.leave("gone"),
            may_stop=may_stop,
        )

    def _opened(self, driver: ScreenDriver) -> None:
        self._driver = driver
        if self._guardian is not None:
            self._guardian.opened()
        if self._way is not None:
            self._exit()

    def _painted(self) -> None:
        # Textual takes Python's streams while it runs, and drops what nobody asked it for.
        sys.stdout, sys.stderr = self._streams
        gc.enable()
        if self._engine is not None:
            self._engine.painted.set()

    def _catch_signals(self) -> None:
        for number, handler in (
            (signal.SIGHUP, self._on_hangup),
            (signal.SIGTERM, self._on_terminate),
            (signal.SIGINT, self._on_interrupt),
        ):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, handler)

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        self.leave("gone")

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._way == "terminated" and now < self._asked_at + ECHO_SECONDS:
            return
        if self._way is None and not self._over:
            self.leave("terminated")
        elif self._engine is not None:
            self._engine.send(Stop())

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """From outside, or a terminal that turns the key into a signal: a key it is."""
        if self._driver is not None and not self._over:
            self._driver.process_message(events.Key("ctrl+c", "\x03"))

    def _watch(self) -> None:
        """Notice a parent that is gone, and a screen that hangs."""
        life = [self._guardian.life] if self._guardian is not None else []
        while not self._over:
            ready: list[Any] = select.select(life, [], [], 0.5)[0]
            if ready:
                life = []
                self.leave("gone")
            if self._way is not None and time.monotonic() > self._asked_at + OVERDUE_SECONDS:
                self._go_on_alone()

    def _go_on_alone(self) -> None:
        """The app's code hangs in the main thread: this one sees the training to its end."""
        if self._over:
            return
        faulthandler.dump_traceback(2)
        self._terminal.reset()
        if self._guardian is not None:
            self._guardian.closed()
        status = 1
        if self._engine is not None:
            self._engine.painted.set()
            self._engine.join()
            status = 0 if self._engine.ended is not None else 1
        if not self._over:
            os._exit(status)


def _part(
    left: ScreenExit,
    terminal: Terminal,
    guardian: ParentProcess | None,
    engine: TrainingThread | None,
) -> None:
    """See to the terminal: who has it from now on, and what is told there."""
    if engine is None or not engine.alive or left.way in ("save", "now"):
        terminal.give_back()
        return
    process = f"process {os.getpid()}"
    back = f"icot-tui attach {engine.folder.path}"
    if left.way == "terminated":
        terminal.say(
            f"the screen is closed, training goes on without it ({process}); "
            f"SIGTERM or Ctrl-C saves and stops; to look at it: {back}\n"
        )
        return
    terminal.leave()
    if guardian is not None and left.way in ("detach", "crashed"):
        failed = f"the screen failed, see {engine.folder.log}; " if left.failure else ""
        guardian.release(
            f"{failed}training goes on in the background ({process}); come back with: {back}"
        )
