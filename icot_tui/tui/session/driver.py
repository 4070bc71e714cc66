"""Textual's driver, made so that no terminal can hold up the screen, or what lives beside it."""

import asyncio
import contextlib
import os
import select
import signal
from codecs import getincrementaldecoder
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from textual._xterm_parser import XTermParser  # isort: skip

from icot_tui.tui.session.terminal_writer import TerminalWriter

FRAME = 400
"""Characters; what Textual writes at once and is longer is a frame, not a change of modes."""
SETTLE_SECONDS = 0.15
"""From the first frame until the screen counts as painted: its panels come in several frames."""
FAREWELL_SECONDS = 1.0
"""A terminal that takes nothing for so long is not waited for when the screen is left."""
FOREGROUND_SECONDS = 0.3
"""A screen that goes on in the background looks so often whether it is in front again."""


@dataclass(frozen=True)
class DriverContext:
    """What a driver needs to know, and whom it tells.

    Attributes:
        descriptor: where frames are written.
        opened: called with the driver when the screen is about to open.
        painted: called once the first frames are on their way.
        lost: called from any thread when the terminal is gone.
        may_stop: is there a shell that could continue a stopped process?
    """

    descriptor: int
    opened: "Callable[[ScreenDriver], None]"
    painted: Callable[[], None]
    lost: Callable[[], None]
    may_stop: bool


class ScreenDriver(LinuxDriver):
    """Drops frames while the terminal is stalled, draws anew after, and outlives its end."""

    link: ClassVar[DriverContext]

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._outgoing = self._new_outgoing()
        self._changing_modes = False
        self._is_open = False
        self._suspended = False
        self._is_painted = False
        self._written_before = 0

    @property
    def written(self) -> int:
        """Bytes that the terminal has taken so far."""
        return self._written_before + self._outgoing.written

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the app runs in."""
        return self._loop

    @property
    def can_suspend(self) -> bool:
        """Can the process be stopped and continued by a shell?"""
        return self.link.may_stop

    def write(self, data: str) -> None:
        """Send to the terminal; never waits and never raises."""
        if self._suspended and not self._changing_modes:
            return
        self._outgoing.write(data, keep=self._changing_modes)
        if not self._is_painted and len(data) > FRAME:
            self._is_painted = True
            self._loop.call_later(SETTLE_SECONDS, self.link.painted)

    def start_application_mode(self) -> None:
        """Open the screen."""
        self.link.opened(self)
        self._changing_modes = self._is_open = True
        try:
            super().start_application_mode()  # type: ignore[no-untyped-call]
        finally:
            self._changing_modes = False

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was, if it is still there."""
        if not self._is_open:  # stopped and sent into the background, it is the shell's
            return
        self._outgoing.forget_frames()
        self._changing_modes = True
        try:
            self.write("\x1b[?2026l\x1b[0m")  # a frame may have been cut off
            super().stop_application_mode()
        finally:
            self._changing_modes = self._is_open = False

    def disable_input(self) -> None:
        """Read no more keys; not from the background, where touching the terminal would stop us."""
        if self._is_open:
            super().disable_input()

    def close(self) -> None:
        """Wait a moment for the terminal to take the rest."""
        self._outgoing.close(FAREWELL_SECONDS)
        super().close()

    def suspend_application_mode(self) -> None:
        """Leave the screen for a while."""
        self._suspended = True
        super().suspend_application_mode()

    def resume_application_mode(self) -> None:
        """Come back to it."""
        self._written_before = self.written
        self._outgoing = self._new_outgoing()
        self._suspended = False
        super().resume_application_mode()
        self.repaint()

    def repaint(self) -> None:
        """Draw the whole screen."""
        self._app.refresh(layout=True)

    def run_input_thread(self) -> None:
        """Read keys until the screen is left, or the terminal gone."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        while not self.exit_event.is_set():
            try:
                if select.select([self.fileno], [], [], 0.1)[0]:
                    data = os.read(self.fileno, 4096)
                    if not data:  # what a terminal that has hung up says for ever
                        raise EOFError
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
            except BlockingIOError:
                continue
            except (OSError, EOFError):
                self.link.lost()
                return
            for event in parser.tick():
                self.process_message(event)

    def _new_outgoing(self) -> TerminalWriter:
        return TerminalWriter(
            self.link.descriptor, self.link.lost, lambda: self._soon(self.repaint)
        )

    def _soon(self, do: Callable[[], None]) -> None:
        """Have the loop do it; from any thread and from a signal handler."""
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(do)

    def _sigtstp_application(self, *_: Any) -> None:
        """Stop between two callbacks of the loop, not in the midst of one."""
        if self.link.may_stop and not self._suspended:
            self._soon(self._stop)

    def _sigcont_application(self, *_: Any) -> None:
        self._soon(self._continue)

    def _stop(self) -> None:
        if self._suspended:
            return
        self.suspend_application_mode()
        self._must_signal_resume = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self) -> None:
        """Come back once in front; until then (`bg`) go on without a screen."""
        if not self._suspended or not self._auto_restart:
            return
        try:
            in_front = os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            self.link.lost()
            return
        if in_front:
            self.resume_application_mode()
        else:
            self._loop.call_later(FOREGROUND_SECONDS, self._continue)


def driver_for(link: DriverContext) -> type[ScreenDriver]:
    """The driver class of one terminal, for Textual to make a driver of."""
    return type("LinkedDriver", (ScreenDriver,), {"link": link})
