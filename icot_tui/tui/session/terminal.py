"""The user's terminal, kept apart from descriptors 1 and 2, which write to the log meanwhile."""

import contextlib
import os
import select
import sys
import tempfile
import termios
from pathlib import Path
from typing import Any

from icot_tui.files import open_file

LEAVE_SCREEN = (
    "\x1b[?2026l\x1b[0m"  # whole frames again, plain colours
    "\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # no mouse
    "\x1b[?2004l\x1b[?2048l\x1b[?1004l\x1b[?7h"  # no bracketed paste, no reports; line wrap
    "\x1b[<u\x1b[?1049l\x1b[?25h"  # ordinary keys, the ordinary screen, the cursor
)
"""Undoes what Textual does to a terminal; for a screen that could not do it itself."""
QUIET = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Environment variables that switch off progress bars, which would fill the log."""


def is_usable() -> bool:
    """Are standard input and output a terminal on which a screen can be drawn?"""
    able = os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    return able and os.isatty(0) and os.isatty(1)


def get_modes() -> list[Any] | None:
    """The terminal's modes; None if they can't be read."""
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def restore(descriptor: int, modes: list[Any] | None) -> None:
    """Restore the terminal after a screen that could not; does not wait for a stalled one."""
    write_message(descriptor, LEAVE_SCREEN)
    if modes is not None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)


def write_message(descriptor: int, text: str, seconds: float = 1.0) -> None:
    """Write a short text if the terminal takes it within so many seconds."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [descriptor], [], seconds)[1]:
            os.write(descriptor, text.encode(errors="replace"))


class Terminal:
    """Keeps the terminal for the screen while everything printed goes to a log."""

    def __init__(self) -> None:
        self.descriptor = os.dup(1)
        self.modes = get_modes()
        self._before = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        self._streams = sys.__stdout__, sys.__stderr__
        self._log: int | None = None

    def redirect_output(self, log: Path | None) -> None:
        """Point standard output and error at the log; without one, at a file that is discarded.

        Code that asks Python for the original streams, as Textual does for the terminal's size,
        still finds the terminal.
        """
        _flush()
        self._log = _open_log(log)
        for number in self._before:
            os.dup2(self._log, number)
        screen = os.fdopen(self.descriptor, "w", encoding="utf-8", errors="replace", closefd=False)
        vars(sys).update(__stdout__=screen, __stderr__=screen)

    def restore_output(self) -> None:
        _flush()
        for number, descriptor in self._before.items():
            os.dup2(descriptor, number)
        self._close()

    def detach(self) -> None:
        """Let go of the terminal: its end and its keys do not reach this process any more."""
        _flush()
        with contextlib.suppress(OSError):  # it leads a process group: it has no waiting parent
            os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, self.descriptor):  # not closed: a late frame may still go there
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        self._close()

    def _close(self) -> None:
        vars(sys).update(__stdout__=self._streams[0], __stderr__=self._streams[1])
        for descriptor in self._before.values():
            os.close(descriptor)
        self._before = {}
        if self._log is not None:
            os.close(self._log)
            self._log = None


def _open_log(log: Path | None) -> int:
    if log is not None:
        with contextlib.suppress(OSError):
            return open_file(log, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _flush() -> None:
    """Write out Python's buffers before the descriptors change."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
