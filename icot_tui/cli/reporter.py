"""Prints a run's events without delaying the training.

The training thread only puts events into a queue; a second thread wakes up a few times a second,
adds them to the summary, and prints. Neither a slow terminal nor a dead one is waited for.
"""

import queue
import threading
import time
from collections.abc import Callable

from icot_tui.cli.printer import Style
from icot_tui.cli.progress import build_progress
from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.engine.journal.events import Event, StepsTrained
from icot_tui.engine.journal.summary import RunSummary

WAKE_SECONDS = 0.25
"""How long the printing thread sleeps before it looks at the queue again."""
QUEUE_LIMIT = 100_000
"""Events that may wait for a stalled terminal; beyond it, training steps are not printed."""
CLOSE_SECONDS = 3.0
"""How long closing waits for a terminal that accepts nothing."""

Message = str | Callable[[RunSummary], str]


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
