"""The training loop. `Trainer.run`: commands, save, evaluate, remove tokens, step, read losses."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
import torch

from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.removal import Batch, TokenFormat
from icot_tui.curriculum.schedule import Fixed, build_schedule
from icot_tui.data.encoded import DataOrder
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath
from icot_tui.engine.checkpoints.store import Store
from icot_tui.engine.evaluation.exact_match import EvaluationResult
from icot_tui.engine.evaluation.next_tokens import NextTokenProbe
from icot_tui.engine.evaluation.validation import Validation
from icot_tui.engine.journal import events
from icot_tui.engine.loop.compute import step_flops
from icot_tui.engine.loop.control import Control, StopRequest
from icot_tui.engine.loop.milestones import Milestones
from icot_tui.engine.loop.padded_shapes import batch_of_each_shape
from icot_tui.engine.loop.row_losses import RowLosses
from icot_tui.engine.loop.run_state import RunState, Step, StepCount, mean_parts, nine_digits
from icot_tui.engine.loop.spikes import SpikeDetector
from icot_tui.engine.loop.training import Training
from icot_tui.engine.loop.update import Update
from icot_tui.errors import Cancelled

TIE = 1e-9
"""What a nat per token is worth in exact match, where the loss decides between equal ones."""


@dataclass(kw_only=True)
class Trainer:
    """One training of a run at work.

    The trainer owns the state and is the only one to change it. It emits an event for whatever
    happens, gets its commands from `control`, and waits for nobody else.
    """

    training: Training
    order: DataOrder
    token_format: TokenFormat
    curriculum: Curriculum
    update: Update
    spikes: SpikeDetector
    store: Store
    validation: Validation
    control: Control
    emit: Callable[[events.Event], None]
    next_tokens: NextTokenProbe | None = None  # None: nothing is read before it is written
    row_losses: RowLosses | None = None  # where every example has a stage of its own
    state: RunState = field(default_factory=RunState)
    _last_read: float = 0.0  # when losses were last read, on a clock that runs only in training

    def __post_init__(self) -> None:
        self.config, self.split = self.training.config, self.training.train
        self._milestones = Milestones(self.config, self.order.steps_per_epoch)

    def run(self) -> events.RunEnded:
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
                    self.control.until_journaled(self)
                    return events.RunEnded(step=self.state.step, reason=reason, finished=True)
                self._remove_tokens()
                self._train_step()
                if self.state.step % self.config.train.observe_every == 0:
                    self._read_losses()
        except StopRequest as stop:
            if stop.save:
                try:
                    self.save()
                except StopRequest as again:  # a second stop, while waiting for a full disk
                    stop = again
            return events.RunEnded(step=self.state.step, reason=str(stop), finished=False)

    def _reason_to_end(self) -> str | None:
        return self._milestones.reason_to_end(self.state, self.curriculum)

    def warm_up(self) -> None:
        """Run every padded shape of the stages to come once, before the clock starts.

        Batches with fewer rows, where `data.max_length` leaves some out, have shapes besides.
        """
        lowest = self.training.smoothing.lowest(self.curriculum.stage)
        stages = range(lowest, self.curriculum.greatest_stage + 1)
        padding, size = self.update.padding, self.config.train.batch_size
        shapes = batch_of_each_shape(self.split, self.token_format, padding, stages, size)
        for batch in map(self._fitting, shapes):
            if len(batch):
                self.update.warm_up(batch)

    @property
    def _counts(self) -> bool:
        """Can what a step computes be counted? Not in compiled code, nor in parts of a model."""
        return not (self.config.train.compile or self.control.processes.model_is_sharded)

    # One step ------------------------------------------------------------------------------

    def _remove_tokens(self) -> None:
        """Let the curriculum raise the stage, if it is time."""
        if not self.curriculum.due():
            return
        self._read_losses()  # the losses so far belong to the stage so far
        cause = self.curriculum.cause
        if self.store.saves_before_removal and self.curriculum.due():
            self.save()
        self._probe_next_tokens(self.curriculum.next_stage())
        change = self.curriculum.begin_step()
        if change is None:
            return
        self._count_examples()
        step, stage = self.state.step, change.after
        self.emit(
            events.TokenRemoved(
                step=step,
                before=change.before,
                stage=stage,
                cause=cause,
                everything=self.curriculum.implicit,
                unit=self.token_format.plan.unit,
            )
        )
        self.spikes.token_removed(step, stage)
        self.state.uncounted = True
        if change.resets_optimizer:
            self.reset_optimizer(f"removal {stage}")

    def _count_examples(self) -> None:
        """Report how many examples are at each stage, where every one has its own."""
        if self.curriculum.examples is None:
            return
        counts = self.curriculum.examples.counts
        least, most = np.flatnonzero(counts)[[0, -1]].tolist()
        many = counts[least : most + 1].tolist()
        unit = self.token_format.plan.unit
        event = events.ExamplesCounted(step=self.state.step, least=least, examples=many, unit=unit)
        self.emit(event)
        self.state.uncounted = True  # rows get shorter while the run's stage stands

    def _probe_next_tokens(self, stage: int) -> None:
        """Report how well what goes when the stage rises is read before it is written."""
        if self.next_tokens is None or stage <= self.curriculum.stage:
            return
        with self.clock_stopped():
            self.emit(self.next_tokens.measure(self.state.step, self.curriculum.stage, stage))

    def _train_step(self) -> None:
        state, rank = self.state, self.control.processes.rank
        rows = self.order.rows(state.phase_steps)
        smoothing, stages = self.training.smoothing, self.curriculum.stages_of(rows)
        scheduled = smoothing.scheduled(state.step, stages, rows)
        batch = self.token_format.batch(self.split, rows, scheduled)
        fitting = self._fitting(batch)
        self._count_compute(fitting)
        _seed_dropout(_mix(self.config.seed, state.step, rank), self.update.device)
        rate = state.used_rate = self._milestones.learning_rate(state, self.curriculum)
        loss, norm, parts = self.update(fitting, rate) if len(fitting) else (None, None, {})
        if self.row_losses is not None and len(fitting) and self.curriculum.examples_rise:
            self.row_losses.add(self.update.row_losses)
        state.unobserved.append(loss)
        state.unobserved_norms.append(norm)
        state.unobserved_parts.append(parts)
        state.unobserved_at_stage.append(self._loss_at_stage(fitting))
        state.unobserved_counts.append(
            StepCount(fitting.supervised_tokens, len(fitting), len(batch) - len(fitting))
        )
        self.curriculum.end_step(batch_was_implicit=not (batch.cot_lengths > 0).any())
        state.step += 1

    def _loss_at_stage(self, batch: Batch) -> torch.Tensor | None:
        """What the gate is held against, where it counts only the rows at the stage itself."""
        if not (self.training.gates_scheduled_rows and len(batch)):
            return None
        per_token = self.config.curriculum.gate_per == "token"
        return self.update.loss_at_stage(batch, self.curriculum.stage, per_token)

    def _count_compute(self, batch: Batch) -> None:
        """Report what a step computes, once a stage, by its first batch."""
        if not (self.state.uncounted and self._counts and len(batch)):
            return
        self.state.uncounted = False
        with self.clock_stopped():
            flops = step_flops(self.update, batch)
        self.emit(events.ComputeCounted(step=self.state.step, flops=flops))

    def _fitting(self, batch: Batch) -> Batch:
        """The batch without rows that are too long after removal."""
        longest = self.config.data.max_length
        if longest is None or batch.ids.shape[1] <= longest:
            return batch
        return batch.rows(batch.lengths <= longest)

    # Reading losses: the only place where a step waits for the device ------------------------

    def _read_losses(self) -> None:
        """Report the last steps, and let spike detector and control see them."""
        steps = self._report_steps()
        if self.row_losses is not None:
            self.curriculum.learn(self.row_losses.take())
        for number, step in enumerate(steps, start=self.state.step - len(steps) + 1):
            for event in self.spikes.add_loss(number, step.loss):
                self.emit(event)
                if isinstance(event, events.Collapsed):
                    self.control.report_trouble(event)
        self._count_skipped(steps)

    def _gated(self, step: Step) -> float | None:
        """The loss of a step that a gate is held against, as the config says; None: of nothing."""
        if self.training.gates_scheduled_rows:
            return step.at_stage
        return step.nll if self.config.curriculum.gate_per == "token" else step.nll_per_row

    def _report_steps(self) -> list[Step]:
        """Read what the last steps left on the device at once, and emit it."""
        steps = self.state.take_unobserved()
        if not steps:
            return steps
        now = time.perf_counter()
        seconds, self._last_read = now - self._last_read, now
        self.state.seconds += seconds
        gated = [loss for step in steps if (loss := self._gated(step)) is not None]
        self.curriculum.add_losses(gated)
        smoothed = self.curriculum.gated_loss
        self.emit(
            events.StepsTrained(
                step=self.state.step,
                first=self.state.step - len(steps) + 1,
                losses=[step.loss for step in steps],
                gradient_norms=[step.norm for step in steps],
                stage=self.curriculum.stage,
                learning_rate=self.state.used_rate,
                supervised_tokens=sum(step.counts.tokens for step in steps),
                dropped_rows=sum(step.counts.dropped for step in steps),
                seconds=round(seconds, 6),
                loss_parts=mean_parts(steps),
                gated_loss=None if smoothed is None else nine_digits(smoothed),
            )
        )
        return steps

    def _count_skipped(self, steps: list[Step]) -> None:
        state = self.state
        skipped = [None in (step.loss, step.norm) and step.counts.rows > 0 for step in steps]
        for was_skipped in skipped:
            state.skipped_in_a_row = state.skipped_in_a_row + 1 if was_skipped else 0
        if any(skipped):
            event = events.UpdatesSkipped(
                step=state.step, skipped=sum(skipped), in_a_row=state.skipped_in_a_row
            )
            self.emit(event)
            if event.in_a_row >= self.config.train.max_skipped:
                self.control.report_trouble(event)

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
        training_state = {
            "run": self.state.as_json(),
            "curriculum": self.curriculum.state() | self._learnt(),
            "spikes": self.spikes.state(),
        }
        with self.clock_stopped():
            self.control.until_it_works(self, lambda: self.store.save(training_state, self.state))

    def _learnt(self) -> dict[str, Any]:
        return {} if self.row_losses is None else {"learnt": self.row_losses.state()}

    def resume(self, checkpoint: CheckpointPath) -> None:
        """Go on exactly where a checkpoint was written."""
        training_state = self._restore(checkpoint)
        self.state = RunState.from_json(training_state["run"])
        if self.row_losses is not None:
            self.row_losses.restore(training_state["curriculum"]["learnt"])
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
        state.uncounted = True
        stage = self.curriculum.stage
        self.emit(
            events.RolledBack(step=state.step, checkpoint=checkpoint.name, stage=stage, cause=cause)
        )
        self.save()  # a kill must not bring the abandoned weights back

    def _restore(self, checkpoint: CheckpointPath) -> dict[str, Any]:
        training_state = self.store.load(checkpoint)
        self._report_steps()  # those since then are given up, but they were done
        if self.row_losses is not None:
            self.row_losses.drop()
        self.curriculum.restore(training_state["curriculum"])
        self.spikes.restore(training_state["spikes"])
        return training_state

    def reset_optimizer(self, cause: str) -> None:
        self.update.optimizer.reset()
        if self.config.train.restart_warmup:
            self.state.warmup_began = self.state.step
        self.emit(events.OptimizerReset(step=self.state.step, cause=cause))

    def set_remove_per_epoch(self, remove_per_epoch: float) -> None:
        """Change the linear schedule's pace; `ValueError` where the schedule is not linear."""
        changed = {"remove_per_epoch": remove_per_epoch}
        curriculum = self.config.curriculum.model_copy(update=changed)
        if curriculum.schedule != "linear" or isinstance(self.curriculum.schedule, Fixed):
            raise ValueError("only a linear schedule has a number of removals an epoch")
        self.state.remove_per_epoch = remove_per_epoch
        self.curriculum.schedule = build_schedule(
            curriculum, self.order.steps_per_epoch, self.curriculum.greatest_stage
        )

    def evaluate(self) -> None:
        """Exact match at the scheduled stage; the best checkpoint stays."""
        with self.clock_stopped():
            try:
                result = self.validation.run(self.curriculum.stage, self.control.check)
            except Cancelled:  # a stop is waiting in the queue
                return
            state, implicit = self.state, self.curriculum.implicit
            state.evaluated_step = state.step
            if state.best.improve(result.exact_match, implicit, state.step, self._score(result)):
                self.store.name_best(state)
            self.spikes.add_evaluation(state.step, fmean(result.token_accuracy or [0.0]))
            self.validation.report(result, state, implicit)
            self._count_examples()
            self.store.tidy(state)
        if not self.curriculum.due():  # else it is done before the removal
            self._probe_next_tokens(self.curriculum.following_stage)

    def _score(self, result: EvaluationResult) -> float:
        """By what the best checkpoint is chosen; higher is better, of equal ones the earlier is.

        An emulator's is how near its thoughts are to the teacher's. In runs of several trainings,
        the smaller loss decides between equal exact matches.
        """
        if self.training.emulation_errors is not None:
            blocks = self.training.emulation_errors()
            loss = sum(blocks)
            self.emit(events.ThoughtsCompared(step=self.state.step, loss=loss, blocks=[*blocks]))
            return -loss
        if self.training.phase.name:
            return result.exact_match - TIE * result.loss
        return result.exact_match


def _mix(seed: int, step: int, rank: int) -> int:
    """One seed for each step and process."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)


def _seed_dropout(seed: int, device: torch.device) -> None:
    """As `torch.manual_seed`, which takes up to 0.5 ms to note the stack for an absent GPU."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
