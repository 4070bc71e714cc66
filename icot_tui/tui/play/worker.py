"""One thread does all that needs PyTorch: neither the screen nor a trainer ever waits for it."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from icot_tui.cancellation import Cancelled
from icot_tui.errors import UserError

log = logging.getLogger("icot_tui.screen")
Result = TypeVar("Result")
Deliver = Callable[[Callable[[], None]], object]
LOOK_SECONDS = 0.5


class Ticket:
    """Stands for one piece of work.

    Attributes:
        cancelled: is it no longer wanted?
        over: has it been done?
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        self.cancelled = self.over = False
        self._told = told

    def check(self) -> None:
        """Call now and then while working.

        Raises:
            Cancelled: the work is no longer wanted, or the program is ending.
        """
        if self.cancelled or not threading.main_thread().is_alive():
            raise Cancelled

    def say(self, what: str) -> None:
        """Check, and show what is being done, if anything is given.

        Raises:
            Cancelled: see `check`.
        """
        self.check()
        if what:
            self._told(what)


class Worker:
    """Does one thing after another; a newer one takes the place of an older one of its kind.

    The thread is no daemon, so that nothing is torn off in the middle of native code; it ends by
    itself with the program's main thread.

    Args:
        load: called before each piece of work, with what tells of it.
        deliver: has a function run where the screen lives; safe from this thread.
        told: is delivered what the worker does; empty when it has nothing to do.
    """

    def __init__(
        self,
        load: Callable[[Callable[[str], None]], None],
        deliver: Deliver,
        told: Callable[[str], None],
    ) -> None:
        self._load = load
        self._deliver = deliver
        self._told = told
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._tickets: dict[str, Ticket] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def do(
        self,
        kind: str,
        work: Callable[[Ticket], Result],
        done: Callable[[Result], None],
        failed: Callable[[str], None],
    ) -> None:
        """Have something done; `done` or `failed` is delivered, unless it is cancelled before."""
        self.cancel(kind)
        ticket = self._tickets[kind] = Ticket(lambda what: self._tell(what))

        def job() -> None:
            try:
                ticket.check()
                self._load(ticket.say)
                result = work(ticket)
                ticket.check()
            except Cancelled:
                return
            except UserError as error:
                self._hand(ticket, failed, str(error))
            except Exception as error:
                log.exception("the playground's work failed")
                self._hand(ticket, failed, f"unexpected {type(error).__name__}: {error}")
            else:
                self._hand(ticket, done, result)
            finally:
                ticket.over = True

        self._queue.put(job)
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="playground")
            self._thread.start()

    def hand(self, ticket: Ticket, to: Callable[[Result], None], what: Result) -> None:
        """Deliver a part of the result, from within the work."""
        ticket.check()
        self._hand(ticket, to, what)

    def _hand(self, ticket: Ticket, to: Callable[[Result], None], what: Result) -> None:
        def there() -> None:
            if not ticket.cancelled:
                to(what)

        self._deliver(there)

    def _tell(self, what: str) -> None:
        self._deliver(lambda: self._told(what))

    def cancel(self, kind: str) -> bool:
        """Whatever is done or waits of this kind is no longer wanted; was there anything?"""
        before = self._tickets.pop(kind, None)
        if before is None:
            return False
        before.cancelled = True
        return not before.over

    def close(self) -> None:
        """Nothing is wanted any more."""
        self._closed = True
        for kind in list(self._tickets):
            self.cancel(kind)
        self._queue.put(None)

    def _work(self) -> None:
        while threading.main_thread().is_alive():
            try:
                job = self._queue.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            if job is None:
                return
            job()
            if self._queue.empty():
                self._tell("")
