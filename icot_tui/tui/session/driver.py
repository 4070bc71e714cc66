"""Textual's driver, changed so that no terminal can block the screen or the training beside it."""

import contextlib
import os
import select
import signal
from codecs import getincrementaldecoder
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from textual._xterm_parser import XTermParser  # isort: skip

from icot_tui.tui.session.terminal_writer import TerminalWriter

FRAME_CHARACTERS = 400
"""What Textual writes at once and is longer is a frame, not a change of modes."""
FIRST_FRAME_SECONDS = 0.15
"""From the first frame until the screen counts as painted: its panels come in several frames."""
CLOSE_SECONDS = 1.0
"""How long a stalled terminal is waited for when the screen is closed."""
FOREGROUND_SECONDS = 0.3
"""How often a screen continued in the background checks whether it is in the foreground."""


@dataclass(frozen=True)
class DriverContext:
    """The terminal of a driver, and whom it notifies.

    Attributes:
        descriptor: where frames are written.
        opened: called with the driver when the screen is about to open.
        painted: called once the first frames are written.
        lost: called from any thread when the terminal is gone.
        can_stop: is there a shell that could continue a stopped process?
    """

    descriptor: int
    opened: "Callable[[ScreenDriver], None]"
    painted: Callable[[], None]
    lost: Callable[[], None]
    can_stop: bool


class ScreenDriver(LinuxDriver):
    """Drops frames while the terminal is stalled, redraws after, and survives its end.

    Textual makes its driver of a class, so each terminal has one with a `context` of its own.
    """

    context: ClassVar[DriverContext]

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._writer = self._new_writer()
        self._changing_modes = False
        self._is_open = False
        self._suspended = False
        self._is_painted = False
        self._written_before = 0

    @property
    def written(self) -> int:
        return self._written_before + self._writer.written

    @property
    def can_suspend(self) -> bool:
        """Can the process be stopped and continued by a shell?"""
        return self.context.can_stop

    def write(self, data: str) -> None:
        """Send to the terminal; never waits and never raises."""
        if self._suspended and not self._changing_modes:
            return
        self._writer.write(data, keep=self._changing_modes)
        if not self._is_painted and len(data) > FRAME_CHARACTERS:
            self._is_painted = True
            self._loop.call_later(FIRST_FRAME_SECONDS, self.context.painted)

    def start_application_mode(self) -> None:
        self.context.opened(self)
        self._changing_modes = self._is_open = True
        try:
            super().start_application_mode()  # type: ignore[no-untyped-call]
            signal.signal(signal.SIGWINCH, lambda *_: self.call_soon(self._tell_size))
        finally:
            self._changing_modes = False

    def _tell_size(self) -> None:
        """Tell the app how large the terminal is now.

        Read by the loop, not by the signal's handler as Textual does: a second signal interrupts
        the handler of the first, which then tells the size that it had read before, and last.
        """
        if not self._in_band_window_resize:
            size = Size(*self._get_terminal_size())
            self._app.post_message(events.Resize(size, size))

    def _get_terminal_size(self) -> tuple[int, int]:
        """Columns and rows of the terminal itself, where it knows them.

        Textual asks $COLUMNS and $LINES first, which stay as they are when the terminal changes
        (findings/textual-size-from-environment.sh).
        """
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self.context.descriptor)
            if columns and rows:
                return columns, rows
        return super()._get_terminal_size()

    def stop_application_mode(self) -> None:
        """Restore the terminal, if it is still there."""
        if not self._is_open:  # stopped and continued in the background: it is the shell's
            return
        self._writer.drop_waiting()
        self._changing_modes = True
        try:
            self.write("\x1b[?2026l\x1b[0m")  # a frame may have been cut off
            super().stop_application_mode()
        finally:
            self._changing_modes = self._is_open = False

    def disable_input(self) -> None:
        """Stop reading keys; not in the background, where touching the terminal would stop us."""
        if self._is_open:
            super().disable_input()

    def close(self) -> None:
        """Give the terminal a moment to take the rest."""
        self._writer.close(CLOSE_SECONDS)
        super().close()

    def suspend_application_mode(self) -> None:
        self._suspended = True
        super().suspend_application_mode()

    def resume_application_mode(self) -> None:
        self._written_before = self.written
        self._writer = self._new_writer()
        self._suspended = False
        super().resume_application_mode()
        self._repaint()

    def _repaint(self) -> None:
        self._app.refresh(layout=True)

    def run_input_thread(self) -> None:
        """Read keys until the screen is closed or the terminal gone."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        while not self.exit_event.is_set():
            try:
                if select.select([self.fileno], [], [], 0.1)[0]:
                    data = os.read(self.fileno, 4096)
                    if not data:  # what a terminal that has hung up returns forever
                        raise EOFError
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
            except BlockingIOError:
                continue
            except (OSError, EOFError):
                self.context.lost()
                return
            for event in parser.tick():
                self.process_message(event)

    def call_soon(self, do: Callable[[], None]) -> None:
        """Have the event loop do it; from any thread and from a signal handler."""
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(do)

    def _new_writer(self) -> TerminalWriter:
        repaint_soon = partial(self.call_soon, self._repaint)
        return TerminalWriter(self.context.descriptor, self.context.lost, repaint_soon)

    def _sigtstp_application(self, *_: Any) -> None:
        """Stop between two callbacks of the loop, not inside one."""
        if self.context.can_stop and not self._suspended:
            self.call_soon(self._stop)

    def _sigcont_application(self, *_: Any) -> None:
        self.call_soon(self._continue)

    def _stop(self) -> None:
        if self._suspended:
            return
        self.suspend_application_mode()
        self._must_signal_resume = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self) -> None:
        """Come back once in the foreground; until then (`bg`) go on without a screen."""
        if not self._suspended or not self._auto_restart:
            return
        try:
            in_foreground = os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            self.context.lost()
            return
        if in_foreground:
            self.resume_application_mode()
        else:
            self._loop.call_later(FOREGROUND_SECONDS, self._continue)
