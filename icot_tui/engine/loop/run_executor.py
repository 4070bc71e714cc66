"""Carries out a run: its trainings one after another, from wherever it stood."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

import icot_tui
from icot_tui.config import Phase, RunConfig
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.data.load import Data
from icot_tui.data.tokenizing import decode
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath, newest_verified
from icot_tui.engine.journal.events import (
    SCHEMA,
    CheckpointSaved,
    Event,
    ExampleShown,
    PhaseBegan,
    PhaseEnded,
    RunEnded,
    RunResumed,
    RunStarted,
    Warned,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.build import build_trainer, data_order
from icot_tui.engine.loop.control import Control, StopRequest
from icot_tui.engine.loop.memory import settled_heap
from icot_tui.engine.loop.phase import Training, language_model_training
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.phases import Distiller
from icot_tui.engine.processes import Processes
from icot_tui.engine.run_folder import RunFolder
from icot_tui.methods import METHODS
from icot_tui.methods.distillation.method import PHASES, distillation_config


@dataclass
class RunExecutor:
    """Where a run's trainings take place, one after another; most runs are one."""

    config: RunConfig
    data: Data
    folder: RunFolder
    accelerator: Accelerator
    processes: Processes
    control: Control
    emit: Callable[[Event], None]

    def train(self) -> RunEnded:
        """Train the run to its end, or until told to stop; from where it stood."""
        if self.config.method.name == "distillation":
            self.data = _within_length(self.config, self.data)
        checkpoint, complaints = self._newest()
        phases = self._phases()
        labels = [label for label, _ in phases]
        first = 0 if checkpoint is None else labels.index(checkpoint.phase)
        saved = None if checkpoint is None else checkpoint.state()["run"]
        state = RunState() if saved is None else RunState.from_json(saved)
        try:
            for number, (label, build) in enumerate(phases[first:], start=first + 1):
                training = build(state)
                trainer = self._trainer(training, label)
                if checkpoint is not None:
                    self._resume(trainer, checkpoint)
                    checkpoint = None
                else:
                    trainer.state = state
                    self._announce(trainer, training, number, len(phases))
                for complaint in complaints:
                    self.emit(Warned(step=trainer.state.step, message=complaint))
                complaints = []
                if trainer.config.train.compile:
                    trainer.warm_up()
                with settled_heap():
                    ended = trainer.run()
                if not ended.finished or number == len(phases):
                    return ended
                state = self._leave(trainer, training, ended)
                del trainer, training  # with their memory
                self.accelerator.free_memory()
        except StopRequest as stop:  # while a training was prepared
            return RunEnded(step=state.step, reason=str(stop), finished=False)
        raise AssertionError("a run has at least one training")

    def _trainer(self, training: Training, label: str) -> Trainer:
        return build_trainer(
            training=training,
            data=self.data,
            folder=self.folder,
            accelerator=self.accelerator,
            control=self.control,
            emit=self.emit,
            phase=label,
        )

    def _newest(self) -> tuple[CheckpointPath | None, list[str]]:
        found = newest_verified(self.folder.checkpoints) if self.processes.is_main else None
        shared = self.processes.share(found)
        assert shared is not None
        return shared

    def _phases(self) -> "list[tuple[str, Callable[[RunState], Training]]]":
        """(label of its checkpoints, what builds it) for each training."""
        config, data = self.config, self.data
        if config.method.name != "distillation":
            steps = data_order(config, data.train).steps_per_epoch
            return [("", lambda state: language_model_training(config, data, steps))]
        distiller = Distiller(
            config, data, self.folder.path, self.accelerator, self.emit,
            lambda step: self.control.check_stop(step, self.emit),
        )  # fmt: skip

        def builder(phase: Phase) -> Callable[[RunState], Training]:
            return lambda state: distiller.training(phase, state.outcomes, state.step)

        order = list(PHASES)
        return [
            (f"{order.index(phase) + 1}-{phase}", builder(phase))
            for phase in distillation_config(config).phases
        ]

    def _announce(self, trainer: Trainer, training: Training, number: int, count: int) -> None:
        """Say what begins here."""
        step, emit, data = trainer.state.step, self.emit, self.data
        parameters = sum(p.numel() for p in trainer.update.objective.parameters())
        if number == 1:
            emit(
                RunStarted(
                    step=0,
                    name=self.config.name,
                    method=METHODS[self.config.method.name].title,
                    version=icot_tui.__version__,
                    device=str(trainer.update.device),
                    processes=self.processes.count,
                    parameters=parameters,
                    train_examples=len(training.train),
                    validation_examples=len(data.validation),
                    steps_per_epoch=trainer.order.steps_per_epoch,
                    max_cot_tokens=training.train.max_cot_tokens,
                    schema=SCHEMA,
                )
            )
            emit(_example_shown(data, training.plan))
            for warning in data.warnings:
                emit(Warned(step=0, message=warning))
        if training.phase is not None:
            title = PHASES[training.phase]
            per_epoch = trainer.order.steps_per_epoch
            emit(
                PhaseBegan(
                    step=step,
                    phase=training.phase,
                    number=number,
                    phases=count,
                    title=title,
                    unit=training.unit,
                    parameters=parameters,
                    steps_per_epoch=per_epoch,
                )
            )

    def _resume(self, trainer: Trainer, checkpoint: CheckpointPath) -> None:
        """Go on from a checkpoint."""
        trainer.resume(checkpoint)
        if not _is_journaled(self.folder.journal, checkpoint):  # a kill came between the two
            self.emit(
                CheckpointSaved(
                    step=checkpoint.step,
                    path=checkpoint.name,
                    stage=checkpoint.stage,
                    bytes=0,
                    seconds=0.0,
                )
            )
        self.emit(RunResumed(step=checkpoint.step, checkpoint=checkpoint.name))

    def _leave(self, trainer: Trainer, training: Training, ended: RunEnded) -> RunState:
        """Choose what a training leaves behind; the state in which the next begins."""
        assert training.phase is not None
        state = trainer.state
        mine = trainer.store.outcome(state) if self.processes.is_main else None
        chosen = self.processes.share(mine)
        assert chosen is not None
        self.emit(
            PhaseEnded(
                step=state.step, phase=training.phase, reason=ended.reason, checkpoint=chosen.name
            )
        )
        return state.next_phase(state.outcomes | {training.phase: chosen.name})


def _within_length(config: RunConfig, data: Data) -> Data:
    """The data without training examples that are too long for the teacher."""
    longest, train = config.data.max_length, data.train
    if longest is None or train.max_length <= longest:
        return data
    kept = train.only(train.lengths <= longest)
    warning = (
        f"{len(train) - len(kept):,} training examples are longer than {longest} tokens and "
        "left out of every training"
    )
    return replace(data, train=kept, warnings=[*data.warnings, warning])


def _is_journaled(journal: Path, checkpoint: CheckpointPath) -> bool:
    events = (event for _, event in JournalReader(journal).events())
    return any(isinstance(e, CheckpointSaved) and e.path == checkpoint.name for e in events)


def _example_shown(data: Data, plan: RemovalPlan) -> ExampleShown:
    """The first held-out example; its closing separators are left out."""
    split = data.validation
    texts = [decode(data.tokenizer, [token]) for token in split.example(0)]
    prompt, cot = int(split.prompt_lengths[0]), int(split.cot_lengths[0])
    return ExampleShown(
        step=0,
        input=texts[: prompt - 1],
        cot=texts[prompt : prompt + cot],
        answer=texts[prompt + cot + 1 : -1],
        removal_order=plan.removal_order(cot),
    )
