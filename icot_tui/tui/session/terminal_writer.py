"""What goes to the terminal, which may be slow, stalled or gone: nobody ever waits for it."""

import os
import select
import threading
import time
from collections.abc import Callable

PATIENCE = 0.5
"""Seconds that earlier frames may be under way before later ones are dropped."""
MOST_WAITING = 1 << 20
"""Bytes that may wait, however quick the terminal seems to be."""
PIECE = 4096


class TerminalWriter:
    """Writes to a terminal on a thread of its own; `write` only leaves the text there.

    While the terminal takes nothing, what comes is dropped and not piled up: once it takes
    something again, `recovered` is called, and the screen has to be drawn whole.

    Args:
        descriptor: of the terminal; stays open.
        gone: called once, on the writing thread, when the terminal is no more.
        recovered: called on the writing thread.
    """

    def __init__(
        self, descriptor: int, gone: Callable[[], None], recovered: Callable[[], None]
    ) -> None:
        self.written = 0
        self._descriptor = descriptor
        self._gone = gone
        self._recovered = recovered
        self._waiting: list[bytes] = []
        self._size = 0
        self._busy_since: float | None = None
        self._dropping = False
        self._dead = False
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="terminal-output", daemon=True).start()

    @property
    def stalled(self) -> bool:
        """Is the terminal taking nothing, so that frames are dropped?"""
        return self._dropping

    def write(self, text: str, keep: bool = False) -> None:
        """Send a text; it is dropped if the terminal is stalled, unless it is to be kept."""
        data = text.encode(errors="replace")
        with self._changed:
            if self._dead or self._closed:
                return
            now = time.monotonic()
            if self._busy_since is None:
                self._busy_since = now
            late = now - self._busy_since > PATIENCE or self._size > MOST_WAITING
            if late and not keep:
                self._drop()
                return
            if self._dropping and not keep:
                return
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def forget_frames(self) -> None:
        """Drop what waits: the screen is about to be left."""
        with self._changed:
            self._waiting.clear()
            self._size = 0

    def close(self, seconds: float) -> bool:
        """Take nothing more, and wait a while until all is written; False if it is not.

        A stalled terminal gets the rest when it takes something again, if the process still lives.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._changed.wait_for(
                lambda: self._dead or self._busy_since is None, timeout=seconds
            )

    def _drop(self) -> None:
        self._waiting.clear()
        self._size = 0
        self._dropping = True

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._write_all(batch)
            except OSError:
                with self._changed:
                    self._dead = True
                    self._changed.notify_all()
                self._gone()
                return
            self._finish()

    def _take(self) -> bytes | None:
        """The next bytes to be written; None when there will be no more."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            batch = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._busy_since = time.monotonic()
            return batch

    def _write_all(self, rest: bytes) -> None:
        while rest:
            try:
                count = os.write(self._descriptor, rest[:PIECE])
            except BlockingIOError:  # somebody else made the terminal non-blocking
                select.select([], [self._descriptor], [], 1.0)
                continue
            self.written += count
            rest = rest[count:]

    def _finish(self) -> None:
        with self._changed:
            recovered = False
            if not self._waiting:
                self._busy_since = None
                recovered, self._dropping = self._dropping, False
                self._changed.notify_all()
        if recovered:
            self._recovered()
