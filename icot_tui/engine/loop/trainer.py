"""The training loop. `Trainer.run`: commands, save, evaluate, remove tokens, step, read losses."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from icot_tui.config import RunConfig
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.removal import Batch, TokenFormat
from icot_tui.curriculum.schedule import Fixed, Smoothing, build_schedule
from icot_tui.data.encoded import DataOrder, EncodedSplit
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath
from icot_tui.engine.checkpoints.store import Store
from icot_tui.engine.journal.events import (
    Collapsed,
    Event,
    OptimizerReset,
    RolledBack,
    RunEnded,
    StepsTrained,
    TokenRemoved,
    UpdatesSkipped,
)
from icot_tui.engine.loop.control import Control, StopRequest
from icot_tui.engine.loop.milestones import Milestones, learning_rate
from icot_tui.engine.loop.run_state import RunState, StepCount
from icot_tui.engine.loop.spikes import SpikeDetector
from icot_tui.engine.loop.step_buffer import StepBuffer
from icot_tui.engine.loop.update import Update
from icot_tui.errors import Cancelled

if TYPE_CHECKING:
    from icot_tui.engine.evaluation.validation import Score, Validation


@dataclass(kw_only=True)
class Trainer:
    """One training of a run at work.

    The trainer owns the state and is the only one to change it. It emits an event for whatever
    happens, gets its commands from `control`, and waits for nobody else.
    """

    config: RunConfig
    split: EncodedSplit
    order: DataOrder
    token_format: TokenFormat
    smoothing: Smoothing
    curriculum: Curriculum
    update: Update
    spikes: SpikeDetector
    store: Store
    validation: "Validation"
    score: "Score"
    control: Control
    emit: Callable[[Event], None]
    state: RunState = field(default_factory=RunState)
    _buffer: StepBuffer = field(default_factory=StepBuffer)
    _last_read: float = 0.0
    """When the losses were last read, on a clock that runs while training only."""

    def __post_init__(self) -> None:
        self._milestones = Milestones(self.config, self.order.steps_per_epoch)

    def run(self) -> RunEnded:
        """Train until the config's end, or until a command stops it; the caller emits the event."""
        self._last_read = time.perf_counter()
        self.update.objective.train()
        try:
            self.save()  # something to go back to, and a full disk is met at once
            while True:
                self.control.process_commands(self)
                reason = self._reason_to_end()
                if reason:
                    self._read_losses()
                evaluation_due = self._milestones.evaluation_due(self.state)
                if reason or evaluation_due or self._milestones.checkpoint_due(self.state):
                    self.save()  # before evaluating: a run killed there loses nothing
                if evaluation_due or (reason and self.state.evaluated_step < self.state.step):
                    self.evaluate()
                    reason = self._reason_to_end()
                if reason:
                    return RunEnded(step=self.state.step, reason=reason, finished=True)
                self._remove_tokens()
                self._train_step()
                if self.state.step % self.config.train.observe_every == 0:
                    self._read_losses()
        except StopRequest as stop:
            if stop.save:
                try:
                    self.save()
                except StopRequest as again:  # told to stop while waiting for a full disk
                    stop = again
            return RunEnded(step=self.state.step, reason=str(stop), finished=False)

    def _reason_to_end(self) -> str | None:
        return self._milestones.reason_to_end(self.state, self.curriculum)

    def warm_up(self) -> None:
        """Run every padded shape of the stages to come once, before the clock starts."""
        rows, seen = self.order.rows(0), set()
        for stage in range(self.curriculum.stage, self.curriculum.max_cot_tokens + 1):
            batch = self._fitting(self.token_format.batch(self.split, rows, stage))
            if len(batch) and self.update.shape(batch) not in seen:
                seen.add(self.update.shape(batch))
                self.update.warm_up(batch)

    # One step ------------------------------------------------------------------------------

    def _remove_tokens(self) -> None:
        """Let the curriculum raise the stage, if it is time."""
        if not self.curriculum.due():
            return
        self._read_losses()  # the losses so far belong to the stage so far
        cause = self.curriculum.cause
        if self.store.saves_before_removal and self.curriculum.due():
            self.save()
        change = self.curriculum.begin_step()
        if change is None:
            return
        step, stage = self.state.step, change.after
        self.emit(
            TokenRemoved(
                step=step,
                before=change.before,
                stage=stage,
                cause=cause,
                everything=self.curriculum.implicit,
            )
        )
        self.spikes.token_removed(step, stage)
        if change.resets_optimizer:
            self.reset_optimizer(f"removal {stage}")

    def _train_step(self) -> None:
        step = self.state.step
        torch.manual_seed(_mix(self.config.seed, step, self.control.rank))  # dropout
        rows = self.order.rows(self.state.phase_steps)
        scheduled = self.smoothing.scheduled(step, self.curriculum.stage, len(rows))
        batch = self.token_format.batch(self.split, rows, scheduled)
        fitting = self._fitting(batch)
        if len(fitting):
            self._buffer.add(*self.update(fitting, self._learning_rate()))
        else:
            self._buffer.add(None, None)
        self.state.unobserved_counts.append(
            StepCount(fitting.supervised_tokens, len(fitting), len(batch) - len(fitting))
        )
        self.curriculum.end_step(batch_was_implicit=not (batch.cot_lengths > 0).any())
        self.state.step = step + 1

    def _fitting(self, batch: Batch) -> Batch:
        """The batch without rows that are too long after removal."""
        longest = self.config.data.max_length
        if longest is None or batch.ids.shape[1] <= longest:
            return batch
        return batch.rows(batch.lengths <= longest)

    def _learning_rate(self) -> float:
        train, state = self.config.train, self.state
        return learning_rate(
            train,
            state.learning_rate or train.learning_rate,
            state.step - state.warmup_began,
            self._milestones.remaining_steps(state, self.curriculum),
        )

    # Reading losses: the only place where the loop waits for the device -----------------------

    def _read_losses(self) -> None:
        """Report the last steps, and let curriculum, spike detector and control see them."""
        first, counts = self.state.step - len(self._buffer) + 1, self.state.unobserved_counts
        losses, norms = self._report_steps()
        per_example = self.config.curriculum.gate_per == "example"
        self.curriculum.add_losses(
            loss * count.tokens / count.rows if per_example else loss
            for loss, count in zip(losses, counts, strict=True)
            if loss is not None
        )
        self._detect_spikes(first, losses)
        self._count_skipped(
            [
                count.rows > 0 and (loss is None or norm is None)
                for loss, norm, count in zip(losses, norms, counts, strict=True)
            ]
        )

    def _report_steps(self) -> tuple[list[float | None], list[float | None]]:
        """Read losses and gradient norms of the last steps at once, and emit them."""
        losses, norms = self._buffer.read()
        counts = self.state.unobserved_counts
        self._buffer, self.state.unobserved_counts = StepBuffer(), []
        if not losses:
            return losses, norms
        now = time.perf_counter()
        seconds, self._last_read = now - self._last_read, now
        self.state.seconds += seconds
        first = self.state.step - len(losses) + 1
        self.emit(
            StepsTrained(
                step=self.state.step,
                first=first,
                losses=losses,
                gradient_norms=norms,
                stage=self.curriculum.stage,
                learning_rate=self._learning_rate(),
                supervised_tokens=sum(count.tokens for count in counts),
                dropped_rows=sum(count.dropped for count in counts),
                seconds=round(seconds, 6),
            )
        )
        return losses, norms

    def _detect_spikes(self, first: int, losses: list[float | None]) -> None:
        for step, loss in enumerate(losses, start=first):
            for event in self.spikes.add_loss(step, loss):
                self.emit(event)
                if isinstance(event, Collapsed):
                    self.control.collapsed(event)

    def _count_skipped(self, skipped: list[bool]) -> None:
        for was_skipped in skipped:
            self.state.skipped_in_a_row = self.state.skipped_in_a_row + 1 if was_skipped else 0
        if any(skipped):
            in_a_row = self.state.skipped_in_a_row
            event = UpdatesSkipped(step=self.state.step, skipped=sum(skipped), in_a_row=in_a_row)
            self.emit(event)
            if in_a_row >= self.config.train.max_skipped:
                self.control.not_finite(event)

    @contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """For waiting, saving and evaluating, which is not training time."""
        trained = time.perf_counter() - self._last_read
        try:
            yield
        finally:
            self._last_read = time.perf_counter() - trained

    # What the loop and the commands both do -------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint of this step, unless there is one; a full disk pauses the run."""
        if self.store.has(self.state):
            return
        self.state.unobserved, self.state.unobserved_norms = self._buffer.read()
        training_state = {
            "run": self.state.as_json(),
            "curriculum": self.curriculum.state(),
            "spikes": self.spikes.state(),
        }
        with self.clock_stopped():
            self.control.until_it_works(self, lambda: self.store.save(training_state, self.state))

    def resume(self, checkpoint: CheckpointPath) -> None:
        """Go on exactly where a checkpoint was written."""
        training_state = self._restore(checkpoint)
        self.state = RunState.from_json(training_state["run"])
        self._buffer = StepBuffer([*self.state.unobserved], [*self.state.unobserved_norms])
        if self.state.remove_per_epoch is not None:
            self.set_remove_per_epoch(self.state.remove_per_epoch)

    def roll_back(self, checkpoint: CheckpointPath, cause: str, slow_down: float = 1.0) -> None:
        """Go back to a checkpoint's weights, optimizer and curriculum.

        Steps, and with them the data, go on: the same rows would cause the same trouble.
        """
        state = self.state
        then = self._restore(checkpoint)["run"]
        self.curriculum.slow_down(slow_down)
        state.warmup_began = then["warmup_began"] + state.step - checkpoint.step
        state.skipped_in_a_row = 0
        state.rollbacks += 1
        self.emit(
            RolledBack(
                step=state.step,
                checkpoint=checkpoint.name,
                stage=self.curriculum.stage,
                cause=cause,
            )
        )
        self.save()  # a kill must not bring the abandoned weights back

    def _restore(self, checkpoint: CheckpointPath) -> dict[str, Any]:
        training_state = self.store.load(checkpoint)
        self._report_steps()  # those since then are given up, but they were done
        self.curriculum.restore(training_state["curriculum"])
        self.spikes.restore(training_state["spikes"])
        return training_state

    def reset_optimizer(self, cause: str) -> None:
        """Drop AdamW's state."""
        self.update.optimizer.reset()
        if self.config.train.restart_warmup:
            self.state.warmup_began = self.state.step
        self.emit(OptimizerReset(step=self.state.step, cause=cause))

    def set_remove_per_epoch(self, remove_per_epoch: float) -> None:
        """Change the linear schedule's pace.

        Raises:
            ValueError: the schedule is not linear.
        """
        curriculum = self.config.curriculum.model_copy(
            update={"remove_per_epoch": remove_per_epoch}
        )
        if curriculum.schedule != "linear" or isinstance(self.curriculum.schedule, Fixed):
            raise ValueError("only a linear schedule has a number of tokens an epoch")
        self.state.remove_per_epoch = remove_per_epoch
        self.curriculum.schedule = build_schedule(curriculum, self.order.steps_per_epoch)

    def evaluate(self) -> None:
        """Exact match at the scheduled stage; the best checkpoint stays."""
        with self.clock_stopped():
            try:
                result = self.validation.run(self.curriculum.stage, self.control.check)
            except Cancelled:  # a stop is waiting in the queue
                return
            state, implicit = self.state, self.curriculum.implicit
            state.evaluated_step = state.step
            score = self.score(result, state.step)
            if state.best.improve(result.exact_match, implicit, state.step, score):
                self.store.name_best(state)
            self.spikes.add_evaluation(state.step, fmean(result.token_accuracy or [0.0]))
            self.validation.report(result, state, self.curriculum.stage, implicit)
            self.store.tidy(state)


def _mix(seed: int, step: int, rank: int) -> int:
    """One seed for each step and process."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)
