"""Signals that ask a process to end, and the end of the process that started it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ECHO_SECONDS = 0.3
"""A signal that is repeated sooner than this is the same one, forwarded by a wrapper."""
LOOK_SECONDS = 1.0
"""Between two looks at the process that started this one."""
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
"""Signals that ask a process to end, or warn it."""


@contextmanager
def handling_stop(
    stop: Callable[[], None],
    hang_up: Callable[[], None] = lambda: None,
    preempt: Callable[[], None] | None = None,
    echo_seconds: float = ECHO_SECONDS,
) -> Iterator[None]:
    """Call `stop` at each SIGINT and SIGTERM, and `hang_up` at SIGHUP, which ends nothing.

    `preempt` (None: `stop`) is called at SIGUSR1 and SIGUSR2, with which a scheduler such as Slurm
    says that the time is nearly over; unhandled, they would kill the process.

    SIGHUP is handled, not ignored: child processes would inherit that. A signal that was ignored
    from the start (nohup, `&`) stays ignored, and so does one that is ignored by the end.
    """
    last = -echo_seconds

    def on_stop(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() >= last + echo_seconds:
            last = time.monotonic()
            stop()

    def on_preempt(number: int, frame: FrameType | None) -> None:
        (preempt or stop)()

    def on_hang_up(number: int, frame: FrameType | None) -> None:
        hang_up()

    handlers = dict.fromkeys(HANDLED, on_stop) | {
        signal.SIGUSR1: on_preempt,
        signal.SIGUSR2: on_preempt,
        signal.SIGHUP: on_hang_up,
    }
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if before[number] != signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL if earlier is None else earlier)


def ignore_signals() -> None:
    """From here on, no signal undoes the status with which the process ends."""
    for number in HANDLED:
        signal.signal(number, signal.SIG_IGN)


def when_parent_ends(parent: int, call: Callable[[], None]) -> None:
    """Call it, on another thread, once `parent`, which started this process, is gone.

    That is at once where another process is this one's parent already.
    """

    def wait() -> None:
        while os.getppid() == parent:  # no descriptor of it: not every kernel and Python gives one
            time.sleep(LOOK_SECONDS)
        call()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
