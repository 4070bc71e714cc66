"""Runs a study's trials: so many at once as there are places, each training done once.

Nothing that matters is in this process: a trial is finished when its run says so, and a trainer
that outlives us keeps the lock of its training. So it can be killed at any moment and started
again: it reuses what is finished, waits for what is at work, and goes on with what is dead.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from icot_tui.engine.run_folder import RunFolder
from icot_tui.signals import handling
from icot_tui.studies.existing_runs import Claim, RunIndex, claim, look_for
from icot_tui.studies.folder import State, StudyEvent, StudyFolder
from icot_tui.studies.plan import Plan, Trial
from icot_tui.studies.trial_process import start as start_here
from icot_tui.studies.worker_slots import WorkerSlot

POLL_SECONDS = 0.2
LOOK_SECONDS = 2.0
"""How often a trial that somebody else trains is looked at."""
ECHO_SECONDS = 0.3
"""A signal that comes again so soon is the same one, passed on by a wrapper."""
RETRIES = 2
"""How often a trainer that was killed, or lost with its machine, is started again."""


class Trainer(Protocol):
    """A trial's trainer, wherever it is at work."""

    place: WorkerSlot
    resumed: RunFolder | None

    def poll(self) -> int | None:
        """Its exit status, below 0 if it was killed or lost; None while it is at work."""
        ...

    def stop(self, run: RunFolder | None) -> None:
        """Let it save its run and stop; a second time: at once. Safe in a signal handler."""
        ...

    def reason(self) -> str:
        """Why it failed, in one sentence."""
        ...


Start = Callable[[StudyFolder, Trial, WorkerSlot, Claim, RunFolder | None], Trainer]
"""Starts a trainer, for a new run or to go on with this one; the claim is its own from then on."""


@dataclass
class Status:
    """What is known of a trial."""

    trial: Trial
    state: State | None = None
    run: RunFolder | None = None
    reason: str = ""
    reused: bool = False
    unsaved: bool = False
    """It stopped, and what it did since its last checkpoint is lost."""
    began: float | None = None
    seconds: float | None = None
    """Wall time of its training by this process."""

    @property
    def over(self) -> bool:
        """Is nothing more to be done for it?"""
        return self.state in ("finished", "failed", "stopped")


class Runner:
    """Trains what a plan needs; call `run`.

    Args:
        plan: the trials.
        folder: of the study.
        places: where trials train.
        start: starts a trainer in one of them.
        listen: called with each happening, on this thread.
        look: called a few times a second.
    """

    def __init__(
        self,
        plan: Plan,
        folder: StudyFolder,
        places: Sequence[WorkerSlot],
        start: Start = start_here,
        listen: Callable[[StudyEvent, Status], None] = lambda happening, status: None,
        look: Callable[["Runner"], None] = lambda runner: None,
    ) -> None:
        self.statuses = [Status(trial) for trial in plan.trials]
        self.stopping = False
        self.places = len(places)
        self._folder = folder
        self._index = RunIndex(folder.runs)
        self._start = start
        self._listen = listen
        self._look = look
        self._free = list(places)
        self._waiting: deque[Status] = deque()
        self._elsewhere: dict[str, tuple[Status, WorkerSlot, float]] = {}
        self._trainers: list[tuple[Status, Trainer]] = []
        self._tries: dict[str, int] = {}

    def run(self) -> list[Status]:
        """Train until every trial is over, or all that can be until `stop` is called."""
        with obeying(self.stop):
            self._waiting.extend(self._reuse())
            while self._trainers or self._elsewhere or (self._waiting and not self.stopping):
                self._reap()
                self._look_elsewhere()
                self._folder.flush()
                while self._free and self._waiting and not self.stopping:
                    self._begin(self._waiting.popleft(), self._free.pop(0))
                self._look(self)
                time.sleep(POLL_SECONDS)
        return self.statuses

    def stop(self) -> None:
        """Let the trainers save and stop; a second time: let them stop at once.

        Runs that somebody else trains are left alone. Safe in a signal handler.
        """
        self.stopping = True
        for status, trainer in self._trainers:
            trainer.stop(status.run)

    # One trial --------------------------------------------------------------------------------

    def _reuse(self) -> Iterator[Status]:
        """Take finished runs as they are; the rest is to be trained, each training once."""
        seen: set[str] = set()
        for status in self.statuses:
            found = look_for(self._index, status.trial.digest).finished
            if found is not None:
                self._note(status, "finished", found, reused=True)
            elif status.trial.digest not in seen:
                seen.add(status.trial.digest)
                yield status

    def _begin(self, status: Status, place: WorkerSlot) -> None:
        digest = status.trial.digest
        held = claim(self._folder.runs, digest)
        found = look_for(self._index, digest)
        if found.finished is None and (held is None or found.at_work is not None):
            if held is not None:
                held.release()
            self._elsewhere[digest] = status, place, time.monotonic() + LOOK_SECONDS
            if status.state != "waiting":
                self._note(status, "waiting", found.at_work)
            status.run = found.at_work
            return
        if found.finished is not None or held is None:
            if held is not None:
                held.release()
            self._free.append(place)
            self._over(status, "finished", found.finished, reused=status.began is None)
            return
        status.began = status.began or time.monotonic()
        trainer = self._start(self._folder, status.trial, place, held, found.unfinished)
        self._trainers.append((status, trainer))
        if self.stopping:  # asked while it was being started: it was not told yet
            trainer.stop(found.unfinished)
        self._note(status, "training", found.unfinished)

    def _look_elsewhere(self) -> None:
        """Is a training that somebody else was at free again?"""
        now = time.monotonic()
        for digest, (status, place, due) in list(self._elsewhere.items()):
            if self.stopping:
                del self._elsewhere[digest]
                self._free.append(place)
            elif now >= due:
                del self._elsewhere[digest]
                self._begin(status, place)

    def _reap(self) -> None:
        """See which trainers ended, and how."""
        for status, trainer in list(self._trainers):
            if status.run is None:
                status.run = self._own_run(status, trainer)
            code = trainer.poll()
            if code is not None:
                self._trainers.remove((status, trainer))
                self._free.append(trainer.place)
                self._judge(status, trainer, code)

    def _judge(self, status: Status, trainer: Trainer, code: int) -> None:
        found = look_for(self._index, status.trial.digest)
        run = found.finished or found.at_work or found.unfinished
        if found.finished is not None:
            return self._over(status, "finished", run)
        tries = self._tries.get(status.trial.digest, 0) + (code < 0)
        self._tries[status.trial.digest] = tries
        lost = code < 0 and tries <= RETRIES
        if not self.stopping and (lost or (code >= 0 and found.at_work is not None)):
            if lost:
                self._note(status, "waiting", run, trainer.reason() + "; it is started again")
            self._waiting.appendleft(status)  # whoever is at work on it then is waited for
            return None
        if code == 0:
            return self._judge_unfinished(status, run)
        if self.stopping:
            status.unsaved = run is not None and self._index.progress(run).step > 0
            why = f"stopped unsaved ({trainer.reason()}): start the study again to go on"
            return self._over(status, "stopped", run, why)
        return self._over(status, "failed", run, trainer.reason())

    def _judge_unfinished(self, status: Status, run: RunFolder | None) -> None:
        """A trainer ended well, but not with what the study needs."""
        so_far = None if status.run is None else self._index.progress(status.run)
        if so_far is not None and so_far.touched:
            why = f"the command {so_far.touched} changed what it trains, so it does not count"
        elif so_far is not None and so_far.finished:
            why = "its data changed while it trained, so it does not count"
        else:
            who = "" if self.stopping else " by somebody else"
            why = f"stopped{who}, and saved: start the study again to go on"
            return self._over(status, "stopped", run, why)
        again = "start the study again to train it anew"
        return self._over(status, "failed", status.run, f"{why}: {again}")

    def _own_run(self, status: Status, trainer: Trainer) -> RunFolder | None:
        """The folder that a trainer made."""
        if trainer.resumed is not None:
            return trainer.resumed
        for run in self._index.of(status.trial.digest):
            so_far = self._index.progress(run)
            if not so_far.finished and not so_far.touched:
                return run
        return None

    def _over(
        self,
        status: Status,
        state: State,
        run: RunFolder | None,
        reason: str = "",
        reused: bool = False,
    ) -> None:
        """A training is over: for this trial, and for others that need the same one."""
        if status.began is not None:
            status.seconds = time.monotonic() - status.began
        for other in self.statuses:
            if other.trial.digest == status.trial.digest and not other.over:
                self._note(other, state, run, reason, reused or other is not status)

    def _note(
        self,
        status: Status,
        state: State,
        run: RunFolder | None,
        reason: str = "",
        reused: bool = False,
    ) -> None:
        status.state, status.reason, status.reused = state, reason, reused
        status.run = run or status.run
        name = None if status.run is None else status.run.name
        happening = StudyEvent(status.trial.name, state, name, reason, reused)
        self._folder.write(happening)
        self._listen(happening, status)


@contextmanager
def obeying(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM stop; a dropped link (SIGHUP) stops nothing."""

    last = -ECHO_SECONDS

    def asked(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() >= last + ECHO_SECONDS:
            last = time.monotonic()
            stop()

    def dropped(number: int, frame: FrameType | None) -> None:
        pass  # not ignored outright: that would be inherited

    with handling({signal.SIGINT: asked, signal.SIGTERM: asked, signal.SIGHUP: dropped}):
        yield
