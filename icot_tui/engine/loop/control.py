"""Carries out commands between two steps; waits while paused, or while the disk is full."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from icot_tui.config import SpikeConfig
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath
from icot_tui.engine.checkpoints.store import Store
from icot_tui.engine.journal import events
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.loop import commands
from icot_tui.engine.loop.commands import Command, CommandQueue
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.processes import Processes
from icot_tui.errors import Cancelled, UserError, disk_reason

CHANGES = (
    commands.Hold,
    commands.Advance,
    commands.ResetOptimizer,
    commands.Evaluate,
    commands.SetRemovePerEpoch,
    commands.SetLearningRate,
)
"""What changes the state that must survive, without a step."""
POLL_SECONDS = 0.05
RETRY_SECONDS = 5.0


class StopRequest(Cancelled):
    """The run ends here; the text says why."""

    def __init__(self, reason: str, save: bool) -> None:
        super().__init__(reason)
        self.save = save


class CommandedTrainer(Protocol):
    """The part of a trainer that commands reach."""

    state: RunState
    curriculum: Curriculum
    store: Store

    def emit(self, event: events.Event, /) -> None: ...
    def clock_stopped(self) -> AbstractContextManager[None]: ...
    def save(self) -> None: ...
    def evaluate(self) -> None: ...
    def reset_optimizer(self, cause: str) -> None: ...
    def set_remove_per_epoch(self, remove_per_epoch: float) -> None: ...
    def roll_back(self, checkpoint: CheckpointPath, cause: str, slow_down: float = 1.0) -> None: ...


class Control:
    """Takes commands from the queues of all processes, which carry them out at the same step."""

    def __init__(
        self,
        queue: CommandQueue,
        journal: Journal | None,
        processes: Processes,
        spikes: SpikeConfig,
        every_steps: int,
    ) -> None:
        self._queue = queue
        self._journal = journal
        self.processes = processes
        self._spikes = spikes
        self._every_steps = 1 if processes.count == 1 else every_steps
        self._waiting: list[Command] = []
        self._paused = False
        self._trouble: events.Collapsed | events.UpdatesSkipped | None = None

    def process_commands(self, trainer: CommandedTrainer) -> None:
        """Carry out what came since the last step; wait while paused; a stop is a `StopRequest`."""
        if trainer.state.step % self._every_steps:
            return
        self._roll_back_if_needed(trainer)
        if self.processes.share(self._journal is not None and self._journal.error is not None):
            self.until_journaled(trainer)
        for command in self._take():
            self._carry_out(command, trainer)
        with trainer.clock_stopped():
            while self._paused:
                time.sleep(POLL_SECONDS)
                self._stop_if_displaced()
                for command in self._take():
                    self._carry_out(command, trainer)

    def check(self) -> None:
        """For evaluations: `Cancelled` if a stop is waiting; other commands wait until after it."""
        if self._waiting_stops():
            raise Cancelled

    def check_stop(self, step: int, emit: Callable[[events.Event], None]) -> None:
        """For long preparations: `StopRequest` if a stop is waiting; other commands wait on."""
        stops = self._waiting_stops()
        for stop in stops:
            emit(_answer(step, stop, "stopping, nothing is lost"))
        if stops:
            raise StopRequest("stopped by command while a training was prepared", save=False)

    def _waiting_stops(self) -> list[Command]:
        if self.processes.count > 1:
            return []
        self._waiting += self._queue.take()
        return [command for command in self._waiting if isinstance(command, commands.Stop)]

    def _take(self) -> list[Command]:
        taken, self._waiting = self._waiting + self._queue.take(), []
        return [command for process in self.processes.gather(taken) for command in process]

    # Commands -------------------------------------------------------------------------------

    def _carry_out(self, command: Command, trainer: CommandedTrainer) -> None:
        try:
            effect, done = self._effect(command, trainer), True
        except (ValueError, UserError) as refusal:
            effect, done = f"refused: {refusal}", False
        if done and isinstance(command, CHANGES):
            trainer.store.outdated()
        trainer.emit(_answer(trainer.state.step, command, effect, done))
        if isinstance(command, commands.Stop):
            saving = "after saving" if command.save else "at once"
            raise StopRequest(f"stopped by command, {saving}", command.save)

    def _effect(self, command: Command, trainer: CommandedTrainer) -> str:
        """Do it, and say in words what it did."""
        curriculum, step = trainer.curriculum, trainer.state.step
        match command:
            case commands.Pause():
                self._pause(trainer, "by command")
                return f"paused at step {step:,}"
            case commands.Resume():
                if not self._paused:
                    raise ValueError("the run is not paused")
                self._paused = False
                trainer.emit(events.Unpaused(step=step))
                return f"going on at step {step:,}"
            case commands.Hold(on=on):
                if on and curriculum.implicit:
                    raise ValueError("nothing is left to remove")
                curriculum.held = on
                return f"stage {curriculum.stage} is held" if on else "the schedule goes on"
            case commands.Advance(tokens=tokens):
                if tokens < 1:
                    raise ValueError("advance by 1 or more")
                if curriculum.implicit:
                    raise ValueError("nothing is left to remove")
                left = curriculum.greatest_stage - curriculum.requested_stage
                if not left:
                    raise ValueError("the next step removes all that is left")
                if tokens > left:
                    raise ValueError(f"only {left} are left: advance {left} removes them all")
                curriculum.advance(tokens)
                before, after = curriculum.stage, curriculum.requested_stage
                return f"stage {before} becomes {after} with the next step"
            case commands.Rollback(step=target):
                checkpoint = _checkpoint(trainer, target)
                trainer.roll_back(checkpoint, "by command")
                held = "; the schedule is held, as it was then" if curriculum.held else ""
                return f"back at {checkpoint.name}, stage {curriculum.stage}{held}"
            case commands.ResetOptimizer():
                trainer.reset_optimizer("by command")
                return "the optimizer's state was dropped"
            case commands.Evaluate():
                trainer.save()  # it may turn out to be the best
                trainer.evaluate()
                return f"evaluated at step {step:,}"
            case commands.Save():
                trainer.save()
                return f"saved at step {step:,}"
            case commands.SetRemovePerEpoch(remove_per_epoch=delta):
                if not delta > 0:
                    raise ValueError("removals an epoch must be above 0")
                trainer.set_remove_per_epoch(delta)
                return f"{delta:g} removals an epoch from now on"
            case commands.SetLearningRate(learning_rate=rate):
                if not rate > 0:
                    raise ValueError("a learning rate must be above 0")
                trainer.state.learning_rate = rate
                return f"peak learning rate {rate:g} from now on"
            case commands.Preempt(why=why):
                return f"{why}: saving, then stopping; to be continued"
            case commands.Stop(save=save):
                return "saving, then stopping" if save else "stopping at once"
        raise ValueError(f"{command.name} is not known to the trainer")

    # Waiting --------------------------------------------------------------------------------

    def _pause(self, trainer: CommandedTrainer, reason: str) -> None:
        """Wait for `Resume` before the next step."""
        if not self._paused:
            self._paused = True
            trainer.emit(events.Paused(step=trainer.state.step, reason=reason))

    def until_journaled(self, trainer: CommandedTrainer) -> None:
        """Wait until the journal has all events so far."""
        journal = self._journal
        self.until_it_works(trainer, lambda: None if journal is None else journal.flush())

    def until_it_works(self, trainer: CommandedTrainer, write: Callable[[], None]) -> None:
        """Write something; while the disk refuses, wait and try again, and say so once.

        A stop meanwhile raises `StopRequest`, unsaved: what can't be written can't be saved first.
        So does a journal or folder that was moved or deleted: nothing more is written there.
        """
        reason: str | None = None
        self._stop_if_displaced()
        while (failure := self._failure(write)) is not None:
            self._stop_if_displaced()  # it may be gone since, and then no disk makes it work
            if failure != reason:
                reason, step = failure, trainer.state.step
                trainer.emit(events.CheckpointFailed(step=step, reason=failure))
                again = f"{failure}; trying again until it works"
                trainer.emit(events.Paused(step=step, reason=again))
            self._wait_for_disk(trainer)
        if reason is not None and not self._paused:
            trainer.emit(events.Unpaused(step=trainer.state.step))

    def _stop_if_displaced(self) -> None:
        gone = None if self._journal is None else self._journal.displaced()
        if (gone := self.processes.share(gone)) is not None:
            raise StopRequest(f"stopped without saving: {gone}", save=False)

    def _failure(self, write: Callable[[], None]) -> str | None:
        try:
            write()
            mine = None
        except OSError as error:
            mine = f"writing failed: {disk_reason(error)}"
        return self.processes.first(mine)

    def _wait_for_disk(self, trainer: CommandedTrainer) -> None:
        retry_at = time.monotonic() + RETRY_SECONDS
        while self.processes.share(time.monotonic() < retry_at):
            time.sleep(POLL_SECONDS)
            for command in self._take():
                if isinstance(command, commands.Stop):
                    trainer.emit(_answer(trainer.state.step, command, "stopping, unsaved"))
                    raise StopRequest("stopped by command while writing failed", save=False)
                if isinstance(command, commands.Resume):
                    return
                self._waiting.append(command)

    # Rolling back on its own ------------------------------------------------------------------

    def report_trouble(self, trouble: events.Collapsed | events.UpdatesSkipped) -> None:
        """A spike does not recover, or too many updates were skipped: act before the next step."""
        if isinstance(trouble, events.UpdatesSkipped) or self._spikes.policy != "log":
            self._trouble = trouble

    def _roll_back_if_needed(self, trainer: CommandedTrainer) -> None:
        """Roll back, or pause where that is the policy, it failed too often, or it can't be done.

        A collapse goes back to before its removal and slows the schedule down.
        """
        trouble, self._trouble = self._trouble, None
        if trouble is None:
            return
        state, most = trainer.state, self._spikes.max_rollbacks
        if isinstance(trouble, events.Collapsed):
            if self._spikes.policy == "pause" or state.collapses >= most:
                return self._pause(trainer, f"collapse since removal {trouble.removal}")
            cause, removal, slow_down = "collapse", trouble.removal, self._spikes.slow_down
        else:
            cause = f"{trouble.in_a_row} updates in a row were not finite"
            removal, slow_down = None, 1.0
            if state.failures >= most:
                return self._pause(trainer, cause)
        try:
            checkpoint = trainer.store.newest(below_stage=removal)
        except UserError as error:
            trainer.emit(events.Warned(step=state.step, message=str(error)))
            return self._pause(trainer, cause)
        if isinstance(trouble, events.Collapsed):
            state.collapses += 1
        else:
            state.failures += 1
        trainer.roll_back(checkpoint, cause, slow_down=slow_down)


def _checkpoint(trainer: CommandedTrainer, step: int | None) -> CheckpointPath:
    """The checkpoint of a step; without one, the newest from before the last removal."""
    if step is not None:
        return trainer.store.at_step(step)
    return trainer.store.newest(below_stage=trainer.curriculum.stage or None)


def _answer(step: int, command: Command, effect: str, done: bool = True) -> events.CommandDone:
    held = command.on if done and isinstance(command, commands.Hold) else None
    return events.CommandDone(
        step=step, id=command.id, command=command.name, done=done, effect=effect, held=held
    )
