"""Writes to a terminal that may be slow, stalled or gone, without ever making anybody wait."""

import os
import select
import threading
import time
from collections.abc import Callable

STALL_SECONDS = 0.5
"""Once earlier frames have been under way for so long, later ones are dropped."""
MAX_WAITING_BYTES = 1 << 20
"""Bytes that may wait, however fast the terminal seems to be."""
BYTES_PER_WRITE = 4096


class TerminalWriter:
    """Writes on a thread of its own; `write` only queues the text.

    While the terminal takes nothing, new frames are dropped instead of piling up. When it takes
    something again, `recovered` is called, and the whole screen has to be redrawn.

    Args:
        descriptor: of the terminal; stays open.
        gone: called once, on the writing thread, when the terminal is gone.
        recovered: called on the writing thread.

    Attributes:
        written: bytes that the terminal has taken.
        stalled: is the terminal taking nothing, so that frames are dropped?
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
        self.stalled = False
        self._dead = False
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="terminal-output", daemon=True).start()

    def write(self, text: str, keep: bool = False) -> None:
        """Send a text; it is dropped if the terminal is stalled, unless `keep` is set."""
        data = text.encode(errors="replace")
        with self._changed:
            if self._dead or self._closed:
                return
            now = time.monotonic()
            if self._busy_since is None:
                self._busy_since = now
            late = now - self._busy_since > STALL_SECONDS or self._size > MAX_WAITING_BYTES
            if late and not keep:
                self._clear()
                self.stalled = True
            if self.stalled and not keep:
                return
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def drop_waiting(self) -> None:
        """Drop the frames that wait: the screen is about to be closed."""
        with self._changed:
            self._clear()

    def close(self, seconds: float) -> bool:
        """Take nothing more and wait until all is written; False if it is not in time.

        A stalled terminal gets the rest when it takes something again, if the process still lives.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._changed.wait_for(
                lambda: self._dead or self._busy_since is None, timeout=seconds
            )

    def _clear(self) -> None:
        self._waiting.clear()
        self._size = 0

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
            self._clear()
            self._busy_since = time.monotonic()
            return batch

    def _write_all(self, rest: bytes) -> None:
        while rest:
            try:
                count = os.write(self._descriptor, rest[:BYTES_PER_WRITE])
            except BlockingIOError:  # another process made the terminal non-blocking
                select.select([], [self._descriptor], [], 1.0)
                continue
            self.written += count
            rest = rest[count:]

    def _finish(self) -> None:
        with self._changed:
            recovered = False
            if not self._waiting:
                self._busy_since = None
                recovered, self.stalled = self.stalled, False
                self._changed.notify_all()
        if recovered:
            self._recovered()
