"""What a training run prints: its events as a log with live figures, as JSON, or nothing.

Printing never delays the training: its thread only puts events into a queue. A second thread wakes
up a few times a second, adds them to the summary, and prints. Neither a slow terminal nor a dead
one is waited for.
"""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from icot_tui.cli.narrator import NarratedLine, Narrator, pace, results
from icot_tui.cli.printer import Printer, ResilientStdout, Style, escaped_lines
from icot_tui.engine.journal.events import Event, StepsTrained
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.journal.summary import RunSummary

if TYPE_CHECKING:
    from rich.console import RenderableType

LOSS_SECONDS = 15.0
"""How often plain lines report the loss."""
WAKE_SECONDS = 0.25
"""How long the printing thread sleeps before it looks at the queue again."""
QUEUE_LIMIT = 100_000
"""Events that may wait for a stalled terminal; beyond it, training steps are not printed."""
CLOSE_SECONDS = 3.0
"""How long closing waits for a terminal that accepts nothing."""

Message = str | Callable[[RunSummary], str]


class QuietProgress:
    """Prints messages only."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def message(self, text: str) -> None:
        """Print lines that are no event."""
        self._printer.message(text)

    def event(self, when: float, event: Event) -> None:
        """Print an event, now or at the next refresh; the summary includes it already."""

    def refresh(self, now: float) -> None:
        """Redraw, and print what was held back long enough."""

    def close(self) -> None:
        """Print what is left, and erase what is redrawn."""
        self._printer.close()


class JsonProgress(QuietProgress):
    """Prints the journal's lines; messages go to standard error, where they don't mix with JSON."""

    def message(self, text: str) -> None:
        with contextlib.suppress(OSError):  # standard error may be closed
            os.write(2, escaped_lines(text).encode(errors="backslashreplace"))

    def event(self, when: float, event: Event) -> None:
        self._printer.stdout.write_bytes(encode_line(when, event))


class LogProgress(QuietProgress):
    """Prints a line per event, and the figures: live on a terminal, else every few seconds."""

    def __init__(self, printer: Printer, summary: RunSummary) -> None:
        super().__init__(printer)
        self._summary = summary
        self._narrator = Narrator(summary)
        self._begun = False
        self._drawn: tuple[object, ...] = ()
        self._loss_due = 0.0

    def message(self, text: str) -> None:
        self._log(self._narrator.flush())
        super().message(text)

    def event(self, when: float, event: Event) -> None:
        self._begun = True
        self._log(self._narrator.lines(when, event))
        trained = isinstance(event, StepsTrained) and not self._printer.live
        if trained and when >= self._loss_due:
            self._loss_due = when + LOSS_SECONDS
            most = self._summary.greatest_stage  # unknown where the journal's beginning is lost
            stage = f"stage {self._summary.removed}" + ("" if most is None else f" of {most}")
            words = ", ".join([*pace(self._summary), stage])
            self._printer.log(NarratedLine(when, event.step, words))

    def refresh(self, now: float) -> None:
        self._log(self._narrator.overdue(now))
        if not self._printer.live:
            return
        words = ", ".join(pace(self._summary)), ", ".join(results(self._summary))
        state = self._printer.console.size, self._begun, self._summary.removed, words
        if state != self._drawn:
            self._drawn = state
            self._printer.draw(self._figures(words))

    def close(self) -> None:
        self._log(self._narrator.flush())
        super().close()

    def _log(self, lines: Iterable[NarratedLine]) -> None:
        for line in lines:
            self._printer.log(line)

    def _figures(self, words: Iterable[str]) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self._begun:
            return Text("getting ready ...", style="muted")
        removed, most = self._summary.removed, self._summary.greatest_stage or 0
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(f"removed {removed} of {most} {self._summary.unit_word}s", style="primary"),
            ProgressBar(total=max(most, 1), completed=removed, width=32),
        )
        return Group(bar, *(Text(line, no_wrap=True, overflow="ellipsis") for line in words))


def build_progress(style: Style, stdout: ResilientStdout, summary: RunSummary) -> QuietProgress:
    """The progress in that style; the caller keeps the summary up to date."""
    printer = Printer(stdout, style == "live")
    if style in ("json", "quiet"):
        return JsonProgress(printer) if style == "json" else QuietProgress(printer)
    return LogProgress(printer, summary)


class Reporter:
    """Takes events on the training thread and prints them on another; call it with each event."""

    def __init__(self, style: Style, stdout: ResilientStdout, summary: RunSummary) -> None:
        self._summary = summary
        self._stdout = stdout
        self._progress = build_progress(style, stdout, summary)
        self._terminal_lost = False
        self._queue: queue.SimpleQueue[tuple[float, Event] | Message] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepsTrained) and self._queue.qsize() > QUEUE_LIMIT:
            return
        self._queue.put((time.time(), event))

    def message(self, text: Message) -> None:
        """Print lines after all events so far; safe in a signal handler.

        A function is called with the summary of these events, on the printing thread.
        """
        self._queue.put(text)

    def close(self) -> bool:
        """Print what is queued; False if the terminal no longer accepts output."""
        self._closing.set()
        waiting = -1
        while self._thread.is_alive() and waiting != self._queue.qsize():
            waiting = self._queue.qsize()
            self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(WAKE_SECONDS)
            for _ in range(self._queue.qsize()):
                self._print(self._queue.get())
            self._progress.refresh(time.time())
            self._check_terminal()
        self._progress.close()

    def _print(self, item: tuple[float, Event] | Message) -> None:
        if isinstance(item, tuple):
            self._summary.add(*item)
            self._progress.event(*item)
        else:
            self._progress.message(item if isinstance(item, str) else item(self._summary))
        self._check_terminal()

    def _check_terminal(self) -> None:
        """Go on with plain lines once they go to the log file."""
        if self._stdout.fallen_back and not self._terminal_lost:
            self._terminal_lost = True
            self._progress = build_progress("plain", self._stdout, self._summary)
            self._progress.message("the terminal is gone; training goes on and is logged here")
