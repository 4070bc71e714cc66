"""Runs the trials of a study: as many at once as there are slots, each config trained once.

All state that matters is outside this process: a trial is finished when its run says so, and a
trainer that outlives this process keeps the lock of its training. So the study can be killed at any
moment and started again: it reuses finished runs, waits for running ones, and resumes dead ones.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from icot_tui.engine.run_folder import RunFolder
from icot_tui.signals import handling_stop
from icot_tui.studies.existing_runs import (
    RunIndex,
    TrialProgress,
    find_existing_runs,
    lock_training,
)
from icot_tui.studies.folder import State, StudyEvent, StudyFolder
from icot_tui.studies.plan import Plan, Trial
from icot_tui.studies.trial_process import WorkerSlot
from icot_tui.studies.trial_process import start as start_process

POLL_SECONDS = 0.2
OTHERS_POLL_SECONDS = 2.0  # how often to check a trial that another process trains
RETRIES = 2  # how often a trainer that was killed, or lost with its machine, is started again


class TrialTrainer(Protocol):
    """The trainer of a trial, wherever it runs."""

    slot: WorkerSlot
    resumed: RunFolder | None

    def poll(self) -> int | None:
        """Its exit status, below 0 if it was killed or lost; None while it runs."""
        ...

    def stop(self, run: RunFolder | None) -> None:
        """Let it save its run and stop; a second call stops it at once. Signal-safe."""
        ...

    def reason(self) -> str:
        """Why it failed, in one sentence."""
        ...


Start = Callable[[StudyFolder, Trial, WorkerSlot, IO[str], RunFolder | None], TrialTrainer]
"""Starts a trainer for a new run, or to resume this one; the lock is the trainer's from then on."""


@dataclass(kw_only=True)
class TrialStatus:
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
        slots: where trials train.
        start: starts a trainer in one of them.
        on_event: called with each event, on this thread.
        on_poll: called a few times a second.
    """

    def __init__(
        self,
        plan: Plan,
        folder: StudyFolder,
        slots: Sequence[WorkerSlot],
        start: Start = start_process,
        on_event: Callable[[StudyEvent, TrialStatus], None] = lambda event, status: None,
        on_poll: Callable[["Runner"], None] = lambda runner: None,
    ) -> None:
        self.statuses = [TrialStatus(trial=trial) for trial in plan.trials]
        self.stopping = False
        self.slots = len(slots)
        self._folder = folder
        self._index = RunIndex(folder.runs)
        self._start = start
        self._on_event = on_event
        self._on_poll = on_poll
        self._free = list(slots)
        self._waiting: deque[TrialStatus] = deque()
        self._elsewhere: dict[str, tuple[TrialStatus, WorkerSlot, float]] = {}
        self._trainers: list[tuple[TrialStatus, TrialTrainer]] = []
        self._tries: dict[str, int] = {}

    def run(self) -> list[TrialStatus]:
        """Train until every trial is over, or until what runs has stopped after `stop`."""
        with handling_stop(self.stop):
            self._waiting.extend(self._reuse_finished())
            while self._trainers or self._elsewhere or (self._waiting and not self.stopping):
                self._collect_ended()
                self._check_elsewhere()
                self._folder.flush()
                while self._free and self._waiting and not self.stopping:
                    self._begin(self._waiting.popleft(), self._free.pop(0))
                self._on_poll(self)
                time.sleep(POLL_SECONDS)
        return self.statuses

    def stop(self) -> None:
        """Let the trainers save and stop; a second call stops them at once.

        Runs that another process trains are left alone. Signal-safe.
        """
        self.stopping = True
        for status, trainer in self._trainers:
            trainer.stop(status.run)

    # One trial --------------------------------------------------------------------------------

    def _reuse_finished(self) -> Iterator[TrialStatus]:
        """Take finished runs as they are; yields what is to be trained, each config once."""
        seen: set[str] = set()
        for status in self.statuses:
            found = find_existing_runs(self._index, status.trial.digest).finished
            if found is not None:
                self._set_state(status, "finished", found, reused=True)
            elif status.trial.digest not in seen:
                seen.add(status.trial.digest)
                yield status

    def _begin(self, status: TrialStatus, slot: WorkerSlot) -> None:
        digest = status.trial.digest
        lock = lock_training(self._folder.runs, digest)
        found = find_existing_runs(self._index, digest)
        if found.finished is None and found.at_work is None and lock is not None:
            self._train(status, slot, lock, found.unfinished)
            return
        if lock is not None:
            lock.close()
        if found.finished is not None:
            self._free.append(slot)
            self._end(status, "finished", found.finished, reused=status.began is None)
            return
        self._elsewhere[digest] = status, slot, time.monotonic() + OTHERS_POLL_SECONDS
        if status.state != "waiting":
            self._set_state(status, "waiting", found.at_work)
        status.run = found.at_work

    def _train(
        self, status: TrialStatus, slot: WorkerSlot, lock: IO[str], run: RunFolder | None
    ) -> None:
        status.began = status.began or time.monotonic()
        trainer = self._start(self._folder, status.trial, slot, lock, run)
        self._trainers.append((status, trainer))
        if self.stopping:  # requested while it was being started, so it does not know yet
            trainer.stop(run)
        self._set_state(status, "training", run)

    def _check_elsewhere(self) -> None:
        """Try again to begin what another process was training."""
        now = time.monotonic()
        for digest, (status, slot, due) in list(self._elsewhere.items()):
            if self.stopping:
                del self._elsewhere[digest]
                self._free.append(slot)
            elif now >= due:
                del self._elsewhere[digest]
                self._begin(status, slot)

    def _collect_ended(self) -> None:
        """See which trainers ended, and how."""
        for status, trainer in list(self._trainers):
            if status.run is None:
                status.run = self._own_run(status, trainer)
            code = trainer.poll()
            if code is not None:
                self._trainers.remove((status, trainer))
                self._free.append(trainer.slot)
                self._trainer_ended(status, trainer, code)

    def _trainer_ended(self, status: TrialStatus, trainer: TrialTrainer, code: int) -> None:
        found = find_existing_runs(self._index, status.trial.digest)
        run = found.best
        if found.finished is not None:
            return self._end(status, "finished", run)
        tries = self._tries.get(status.trial.digest, 0) + (code < 0)
        self._tries[status.trial.digest] = tries
        lost = code < 0 and tries <= RETRIES
        if not self.stopping and (lost or (code >= 0 and found.at_work is not None)):
            if lost:
                self._set_state(status, "waiting", run, trainer.reason() + "; it is restarted")
            self._waiting.appendleft(status)  # if another process trains it now, it waits for that
            return None
        if code == 0:
            return self._ended_unfinished(status, run)
        if self.stopping:
            status.unsaved = run is not None and self._index.progress(run).step > 0
            why = f"stopped without saving ({trainer.reason()}): start the study again to go on"
            return self._end(status, "stopped", run, why)
        return self._end(status, "failed", run, trainer.reason())

    def _ended_unfinished(self, status: TrialStatus, run: RunFolder | None) -> None:
        """A trainer exited normally, but not with what the study needs."""
        progress = TrialProgress() if status.run is None else self._index.progress(status.run)
        if progress.altered_by:
            why = f"{progress.altered_by} altered the training, so it does not count"
        elif progress.finished:
            why = "its data changed during the training, so it does not count"
        else:
            who = "" if self.stopping else " by somebody else"
            why = f"stopped{who}, and saved: start the study again to go on"
            return self._end(status, "stopped", run, why)
        return self._end(status, "failed", status.run, f"{why}: start the study again to repeat it")

    def _own_run(self, status: TrialStatus, trainer: TrialTrainer) -> RunFolder | None:
        if trainer.resumed is not None:
            return trainer.resumed
        known = [(run, self._index.progress(run)) for run in self._index.of(status.trial.digest)]
        return next((run for run, p in known if not p.finished and not p.altered_by), None)

    def _end(
        self,
        status: TrialStatus,
        state: State,
        run: RunFolder | None,
        reason: str = "",
        reused: bool = False,
    ) -> None:
        """A training is over: for this trial, and for others with the same config."""
        if status.began is not None:
            status.seconds = time.monotonic() - status.began
        for other in self.statuses:
            if other.trial.digest == status.trial.digest and not other.over:
                self._set_state(other, state, run, reason, reused or other is not status)

    def _set_state(
        self,
        status: TrialStatus,
        state: State,
        run: RunFolder | None,
        reason: str = "",
        reused: bool = False,
    ) -> None:
        status.state, status.reason, status.reused = state, reason, reused
        status.run = run or status.run
        name = None if status.run is None else status.run.name
        event = StudyEvent(status.trial.name, state, name, reason, reused)
        self._folder.write(event)
        self._on_event(event, status)
