"""Where progress is printed: plain lines, or a log above lines that are redrawn in place."""

import errno
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from icot_tui.cli.console import console
from icot_tui.cli.narrator import NarratedLine
from icot_tui.files import open_file
from icot_tui.formatting import clock, date_and_time, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

Style = Literal["live", "plain", "json", "quiet"]


def best_style() -> Style:
    """Live on a terminal that can move its cursor, plain lines elsewhere."""
    able = os.isatty(1) and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return "live" if able else "plain"


class ResilientStdout:
    """Standard output that never raises: when its terminal or reader is gone, a log file.

    Writes go past Python's buffers, so that a stalled terminal can't hold up the exit either.
    """

    def __init__(self, log: Path) -> None:
        self.fallen_back = False
        self.encoding = sys.stdout.encoding or "utf-8"
        self._log = log
        self._were_terminals = os.isatty(1), os.isatty(2)  # once hung up, they say they are not
        self._switching = threading.Lock()
        self._first = os.dup(1)  # where a frame in the making goes, whatever 1 is by then

    def write(self, text: str) -> int:
        """Write the text, or as much of it as can be written."""
        self.write_bytes(text.encode(self.encoding, errors="backslashreplace"))
        return len(text)

    def write_bytes(self, rest: bytes) -> None:
        """The same for bytes."""
        while rest:
            fallen_back = self.fallen_back
            if fallen_back and b"\x1b" in rest:  # a drawing, for a terminal that is gone
                return
            try:
                rest = rest[os.write(1 if fallen_back else self._first, rest) :]
            except BlockingIOError:  # another program made the terminal non-blocking
                time.sleep(0.02)
            except OSError as error:
                if fallen_back or error.errno in (errno.ENOSPC, errno.EDQUOT):
                    return
                self.fall_back()

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        """Is it (still) a terminal?"""
        return not self.fallen_back and os.isatty(1)

    def hang_up(self) -> None:
        """The terminal is gone (SIGHUP); a file or pipe that output goes to may still be there."""
        if self._were_terminals[0]:
            self.fall_back()
        elif self._were_terminals[1]:
            self._redirect([2])

    def fall_back(self) -> None:
        """Point standard output at the log, and errors that went to the same dead end.

        Libraries' own messages follow, which would otherwise raise in the midst of training.
        """
        if self._switching.acquire(blocking=False):  # once, by whichever thread comes first
            together = self._were_terminals[1] or os.path.sameopenfile(1, 2)
            self._redirect([1, 2] if together else [1])
            self.encoding = "utf-8"
            self.fallen_back = True

    def _redirect(self, descriptors: list[int]) -> None:
        try:
            log = open_file(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        except OSError:
            log = os.open(os.devnull, os.O_WRONLY)
        for descriptor in descriptors:
            os.dup2(log, descriptor)
        os.close(log)


class Printer:
    """Prints lines in the theme's colours; `live`: above a display that is redrawn in place."""

    def __init__(self, stdout: ResilientStdout, live: bool = False) -> None:
        from rich.live import Live

        self.stdout = stdout
        self.live = live
        self.console = console(file=stdout, color_system="auto" if live else None)
        self._display = Live(
            console=self.console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        if live:
            self._display.start()

    def message(self, text: str) -> None:
        """Print lines as they are, with control characters escaped."""
        self.console.print(escaped_lines(text), end="", soft_wrap=True)

    def log(self, line: NarratedLine) -> None:
        """Print a line of the log, with its time and step."""
        from rich.text import Text

        when = clock(line.when) if self.live else date_and_time(line.when)
        text = Text().append(f"{when}  step {line.step:>6,}  ", style="muted")
        self.console.print(text.append(plain(line.text), style=line.style), soft_wrap=True)

    def draw(self, figures: "RenderableType") -> None:
        """Redraw the lines below the log, if there are any."""
        if self.live:
            self._display.update(figures, refresh=True)

    def close(self) -> None:
        """Erase what is redrawn, and keep the log."""
        self._display.stop()


def escaped_lines(text: str) -> str:
    """Each line with its control characters escaped."""
    return "".join(plain(line) + "\n" for line in text.removesuffix("\n").split("\n"))
