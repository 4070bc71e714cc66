"""Has a run's events printed without holding the training up.

The training thread only puts events into a queue; a thread of our own wakes up a few times a
second, folds them, and prints. So neither a slow terminal nor a dead one is waited for.
"""

import queue
import threading
import time
from collections.abc import Callable

from icot_tui.cli.progress import PlainView, Style, build_view
from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.engine.journal.events import Event, StepsTrained
from icot_tui.engine.journal.summary import RunSummary

WAKE_SECONDS = 0.25
"""The printing thread sleeps so long between two looks at the queue."""
PATIENCE = 100_000
"""Events that may wait for a stalled terminal; losses beyond are left to the journal."""
FAREWELL_SECONDS = 3.0
"""A terminal that takes nothing for so long is not waited for at the end."""


class Reporter:
    """Takes events on the training thread and has them printed on another; call it to listen."""

    def __init__(self, style: Style, outlet: ResilientStdout, summary: RunSummary) -> None:
        self._summary = summary
        self._outlet = outlet
        self._fell_back = False
        self._view = build_view(style, outlet, summary)
        self._queue: queue.SimpleQueue[tuple[float, Event] | Callable[[RunSummary], str]]
        self._queue = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepsTrained) and self._queue.qsize() > PATIENCE:
            return
        self._queue.put((time.time(), event))

    def say(self, text: str | Callable[[RunSummary], str]) -> None:
        """Print lines after all events so far; safe in a signal handler.

        A function is called with the summary of these events, on the printing thread.
        """
        self._queue.put((lambda _: text) if isinstance(text, str) else text)

    def close(self) -> bool:
        """Print what waits; False when the terminal takes no more."""
        self._closing.set()
        waiting = -1
        while self._thread.is_alive() and waiting != self._queue.qsize():
            waiting = self._queue.qsize()
            self._thread.join(FAREWELL_SECONDS)
        return not self._thread.is_alive()

    def _work(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(WAKE_SECONDS)
            for _ in range(self._queue.qsize()):
                self._print(self._queue.get())
            self._view.refresh(time.time())
            self._fall_back_if_needed()
        self._view.close()

    def _print(self, item: tuple[float, Event] | Callable[[RunSummary], str]) -> None:
        if isinstance(item, tuple):
            self._summary.add(*item)
            self._view.event(*item)
        else:
            self._view.say(item(self._summary))
        self._fall_back_if_needed()

    def _fall_back_if_needed(self) -> None:
        if self._outlet.fallen_back and not self._fell_back:
            self._fell_back = True
            self._view = PlainView(self._outlet, self._summary)
            self._view.say("the terminal is gone; training goes on, and is told of here")
