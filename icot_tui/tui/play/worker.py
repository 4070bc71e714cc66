"""One thread does all that needs PyTorch: neither the screen nor a trainer ever waits for it."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from icot_tui.errors import Cancelled, UserError

log = logging.getLogger("icot_tui.screen")
Result = TypeVar("Result")
POLL_SECONDS = 0.5


class Job:
    """A job of the worker: `cancelled` if nobody wants its result, `finished` however it ended."""

    def __init__(self, on_progress: Callable[[str], None]) -> None:
        self.cancelled = self.finished = False
        self._on_progress = on_progress

    def check(self) -> None:
        """Raise Cancelled if the job was cancelled or the program is ending."""
        if self.cancelled or not threading.main_thread().is_alive():
            raise Cancelled

    def report(self, progress: str) -> None:
        """Check, and show what is being done, if anything is given."""
        self.check()
        if progress:
            self._on_progress(progress)


class Worker:
    """Runs one job after another; a newer job replaces an older one of its kind.

    Its thread is no daemon, so that native code is never torn off midway; it ends with the
    program's main thread.

    Args:
        prepare: called before each job with the job's `report`.
        call_later: runs a function on the screen's thread; safe to call from this one.
        on_progress: called there with what is being done; empty when idle.
    """

    def __init__(
        self,
        prepare: Callable[[Callable[[str], None]], None],
        call_later: Callable[[Callable[[], None]], object],
        on_progress: Callable[[str], None],
    ) -> None:
        self._prepare = prepare
        self._call_later = call_later
        self._on_progress = on_progress
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._jobs: dict[str, Job] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(
        self,
        kind: str,
        work: Callable[[Job], Result],
        done: Callable[[Result], None],
        failed: Callable[[str], None],
    ) -> None:
        """Run `work`, then `done` or `failed` on the screen's thread, unless cancelled."""
        self.cancel(kind)
        job = self._jobs[kind] = Job(self._progress)

        def run() -> None:
            try:
                job.check()
                self._prepare(job.report)
                found = work(job)
                job.check()
                self.deliver(job, done, found)
            except Cancelled:
                return
            except UserError as error:
                self.deliver(job, failed, str(error))
            except Exception as error:
                if self._closed or not threading.main_thread().is_alive():
                    return  # nobody wants it, and Python that ends refuses what imports need
                log.exception("a job of the playground failed")
                self.deliver(job, failed, f"unexpected {type(error).__name__}: {error}")
            finally:
                job.finished = True

        self._queue.put(run)
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="playground")
            self._thread.start()

    def deliver(self, job: Job, to: Callable[[Result], None], result: Result) -> None:
        """Hand over a result, or a part of one, on the screen's thread, unless cancelled."""
        self._call_later(lambda: None if job.cancelled else to(result))

    def _progress(self, progress: str) -> None:
        self._call_later(lambda: self._on_progress(progress))

    def cancel(self, kind: str) -> bool:
        """Cancel the job of this kind; was there one that had not ended?"""
        job = self._jobs.pop(kind, None)
        if job is None:
            return False
        job.cancelled = True
        return not job.finished

    def close(self) -> None:
        """Cancel everything and let the thread end."""
        self._closed = True
        for kind in list(self._jobs):
            self.cancel(kind)
        self._queue.put(None)

    def _run(self) -> None:
        while threading.main_thread().is_alive():
            try:
                job = self._queue.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if job is None:
                return
            job()
            if self._queue.empty():
                self._progress("")
