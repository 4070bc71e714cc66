"""Trains a run from its folder, from wherever it stood: the one entry for every front end."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from icot_tui.config import Phase, RunConfig
from icot_tui.config.loading import load_config
from icot_tui.curriculum.removal import RemovalPlan, removed_tokens
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import decode_example
from icot_tui.data.load import Data, load_data
from icot_tui.data.tokenizing import decode
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath, newest_verified
from icot_tui.engine.checkpoints.description import read_description
from icot_tui.engine.checkpoints.state import left_out, read_state
from icot_tui.engine.journal import events
from icot_tui.engine.journal.events import Event
from icot_tui.engine.journal.journal import Journal, JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.journal.trackers import Trackers
from icot_tui.engine.loop.build import build_trainer, hardly_mastered, too_long
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.loop.control import Control, StopRequest
from icot_tui.engine.loop.memory import settled_heap
from icot_tui.engine.loop.optimizers import unforgetting
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.training import RunContext, Training
from icot_tui.engine.processes import Processes, refuse_other_libraries
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods import METHODS
from icot_tui.models.adapters import bare_modules
from icot_tui.models.behaviour import doubts
from icot_tui.models.device import set_threads, silence_transformers, usable_cores
from icot_tui.runs.alerting import alerted
from icot_tui.runs.tracking import open_trackers
from icot_tui.version import __version__


def run_training(
    folder: RunFolder,
    commands: CommandQueue,
    listen: Callable[[Event], None] | None = None,
    card: Callable[[RunFolder], str] | None = None,
    *,
    exact: bool = False,
) -> events.RunEnded:
    """Train a run to its end; go on from its newest whole checkpoint if it has one.

    Args:
        folder: an existing run folder.
        commands: those of this process and of the folder's mailbox.
        listen: called with each event after it was journaled, on the training thread.
        card: makes the run's model card, which trackers get when the training has ended.
        exact: refuse to go on with settings or data that are not those of the checkpoint.

    Raises:
        UserError: the folder is in use, what the config names can't be had, or it isn't `exact`.
    """
    return alerted(folder, lambda: _run(folder, commands, listen, card, exact))


def _run(
    folder: RunFolder,
    commands: CommandQueue,
    listen: Callable[[Event], None] | None,
    card: Callable[[RunFolder], str] | None,
    exact: bool,
) -> events.RunEnded:
    config = load_config(folder.config).config
    silence_transformers()
    if (run := METHODS[config.method.name].run) is not None:
        return run(folder, config, commands, build_accelerator(config).device, listen)
    accelerator = build_accelerator(config)
    processes = Processes(accelerator)
    with ExitStack() as cleanup:
        if processes.is_main:
            folder.lock()
            cleanup.callback(folder.unlock)
        data = load_data(config.data, config.curriculum.unit, config.model.vocabulary)
        _check_chains(config, data)
        journal = Journal(folder.journal) if processes.is_main else None
        if journal is not None:
            cleanup.callback(journal.close)
        names = config.trackers.names if processes.is_main else ()
        trackers = open_trackers(names, folder, config)
        cleanup.push(lambda error, *_: trackers.close(failed=error is not None))
        if card is not None and names:
            cleanup.callback(_hand_in, card, folder, trackers)

        def emit(event: Event) -> None:
            if journal is None:
                return
            journal.write(event)
            trackers.write(time.time(), event)
            if listen is not None:
                listen(event)

        control = Control(commands, journal, processes, config.spikes, config.train.observe_every)
        ended = RunExecutor(
            config=config,
            data=data,
            folder=folder,
            accelerator=accelerator,
            processes=processes,
            control=control,
            emit=emit,
            exact=exact,
        ).train()
        emit(ended)
        return ended


def _check_chains(config: RunConfig, data: Data) -> None:
    """Refuse a method that trains on chains of thought where no training example has one."""
    method = METHODS[config.method.name]
    longest = int(data.train.cot_lengths.argmax())
    chain = decode_example(data.tokenizer, data.train, longest).cot  # a blank may be a token
    if (method.removes_tokens or method.writes_cot) and not chain.strip():
        raise UserError(
            f"no training example has a chain of thought, which {method.title} is trained on: give "
            'data with chains, or set method.name = "no_cot"'
        )


def _hand_in(card: Callable[[RunFolder], str], folder: RunFolder, trackers: Trackers) -> None:
    """Give trackers the model card, or the reason why there is none."""
    try:
        text = card(folder)
    except UserError as error:
        text = str(error)
    trackers.page("model_card", text)


@dataclass(kw_only=True)
class RunExecutor:
    """Trains what the run's method says, one training after another; most runs are one."""

    config: RunConfig
    data: Data
    folder: RunFolder
    accelerator: Accelerator
    processes: Processes
    control: Control
    emit: Callable[[Event], None]
    exact: bool

    def train(self) -> events.RunEnded:
        """Train the run from where it stood to its end, or until a stop is requested."""
        method = METHODS[self.config.method.name]
        data = method.prepare(self.config, self.data)
        context = RunContext(
            self.config, data, self.folder, self.accelerator, self.control, self.emit
        )
        checkpoint, complaints = self.processes.from_main(
            lambda: newest_verified(self.folder.checkpoints)
        )
        phases = method.phases(self.config)
        labels = [phase.label for phase in phases]
        if checkpoint is not None and checkpoint.phase not in labels:
            raise UserError(
                f"checkpoint {checkpoint.name} is of a training that {self.folder.config} no "
                "longer has: put it back among the phases"
            )
        first = 0 if checkpoint is None else labels.index(checkpoint.phase)
        state = RunState()
        if checkpoint is not None:
            saved, unknown = read_state(checkpoint.path)
            state = RunState.from_json(saved["run"])
            complaints += [f"{told}, so the resume may not be exact" for told in left_out(unknown)]
        try:
            for number, phase in enumerate(phases[first:], start=first + 1):
                training = method.training(context, phase, state)
                trainer = build_trainer(training, context)
                if checkpoint is not None:
                    self._resume(trainer, checkpoint)
                    checkpoint = None
                else:
                    trainer.state = state
                    if number == 1:
                        self._announce_run(trainer, training, data, method.title)
                    if phase.name:
                        self._announce_phase(trainer, training, number, len(phases))
                for complaint in complaints:
                    self.emit(events.Warned(step=trainer.state.step, message=complaint))
                complaints = []
                if trainer.config.train.compile:
                    trainer.warm_up()
                with settled_heap():
                    ended = trainer.run()
                if not ended.finished or number == len(phases):
                    return ended
                state = self._leave(trainer, phase, ended)
                del trainer, training  # with their memory
                self.accelerator.free_memory()
        except StopRequest as stop:  # while a training was prepared
            return events.RunEnded(step=state.step, reason=str(stop), finished=False)
        raise AssertionError("a run has at least one training")

    def _announce_run(self, trainer: Trainer, training: Training, data: Data, method: str) -> None:
        self.emit(
            events.RunStarted(
                step=0,
                name=self.config.name,
                method=method,
                version=__version__,
                device=str(trainer.update.device),
                processes=self.processes.count,
                parameters=_parameters(trainer),
                train_examples=len(training.train),
                validation_examples=len(data.validation),
                steps_per_epoch=trainer.order.steps_per_epoch,
                max_cot_tokens=training.train.max_cot_tokens,
                max_cot_steps=_max_cot_steps(training),
                schema=events.SCHEMA,
            )
        )
        self.emit(_example_shown(data, training.plan))
        for overlap in data.overlaps:
            overlap.check(self.config.data.max_overlap)
        lm = trainer.validation.model.lm
        doubtful = (*_doubtful(self.config), *doubts(lm), *bare_modules(lm, self.config.model.lora))
        seldom = hardly_mastered(training, trainer.order.steps_per_epoch)
        stuck = unforgetting(trainer.update.optimizer, training.config.train)
        for warning in [*data.warnings, *too_long(training), *seldom, *stuck, *doubtful]:
            self.emit(events.Warned(step=0, message=warning))

    def _announce_phase(self, trainer: Trainer, training: Training, number: int, of: int) -> None:
        self.emit(
            events.PhaseBegan(
                step=trainer.state.step,
                phase=training.phase.name,
                number=number,
                phases=of,
                title=training.phase.title,
                unit=training.unit,
                parameters=_parameters(trainer),
                steps_per_epoch=trainer.order.steps_per_epoch,
            )
        )

    def _resume(self, trainer: Trainer, checkpoint: CheckpointPath) -> None:
        """Go on from a checkpoint."""
        before, now = read_description(checkpoint.path), trainer.store.description
        changes = [] if before is None else now.changes(before)
        bases = {now.base_sha256, None if before is None else before.base_sha256} - {None}
        if len(bases) > 1:
            raise UserError(
                f"the base model of the adapters in {checkpoint.path} is not the one that they "
                "were trained on: put it back"
            )
        told = f"the checkpoint was trained with other settings: {'; '.join(changes)}"
        if changes and self.exact:
            raise UserError(f"run {self.folder.name} can't be resumed exactly, since {told}", 1)
        trainer.resume(checkpoint)
        journaled = any(
            isinstance(event, events.CheckpointSaved) and event.path == checkpoint.name
            for _, event in effective(JournalReader(self.folder.journal).events())
        )
        if not journaled:  # a kill came between the two; a line that a resume undid is none
            self.emit(
                events.CheckpointSaved(
                    step=checkpoint.step,
                    path=checkpoint.name,
                    stage=checkpoint.stage,
                    bytes=0,
                    seconds=0.0,
                )
            )
        self.emit(
            events.RunResumed(step=checkpoint.step, checkpoint=checkpoint.name, changes=changes)
        )
        if changes:
            message = f"this resume is not exact, since {told}"
            self.emit(events.Warned(step=checkpoint.step, message=message))

    def _leave(self, trainer: Trainer, phase: Phase, ended: events.RunEnded) -> RunState:
        """Choose what a training leaves behind; the state in which the next begins."""
        state = trainer.state
        chosen = self.processes.from_main(lambda: trainer.store.outcome(state))
        self.emit(
            events.PhaseEnded(
                step=state.step, phase=phase.name, reason=ended.reason, checkpoint=chosen.name
            )
        )
        return state.next_phase(state.outcomes | {phase.name: chosen.name})


def _doubtful(config: RunConfig) -> Iterator[str]:
    """What may be meant so, and hardly is."""
    rate = config.train.learning_rate
    if rate > 0.1:
        yield f"train.learning_rate is {rate:g}: these models learn at rates from 1e-6 to 1e-2"
    threads, cores = config.train.threads, usable_cores()
    if threads > cores:
        yield f"train.threads is {threads}: on {cores} usable CPU cores they wait for each other"


def _max_cot_steps(training: Training) -> int | None:
    plan = training.plan
    return plan.greatest_stage(training.train) if plan.unit == "step" else None


def _parameters(trainer: Trainer) -> int:
    return sum(p.numel() for p in trainer.update.objective.parameters())


def _example_shown(data: Data, plan: RemovalPlan) -> events.ExampleShown:
    """The first held-out example; its closing separators are left out."""
    split = data.validation
    texts = [decode(data.tokenizer, [token]) for token in split.example(0)]
    prompt, cot = int(split.prompt_lengths[0]), int(split.cot_lengths[0])
    return events.ExampleShown(
        step=0,
        input=texts[: prompt - 1],
        cot=texts[prompt : prompt + cot],
        answer=texts[prompt + cot + 1 : -1],
        removal_order=plan.removal_order(cot),
        removed_at=_removed_at(split, plan),
    )


def _removed_at(split: EncodedSplit, plan: RemovalPlan) -> list[int]:
    """Tokens of the first example removed at each stage; empty where stages are tokens."""
    if plan.unit == "token":
        return []
    stages = np.arange(plan.greatest_stage(split.only(np.arange(len(split)) == 0)) + 1)
    found: list[int] = removed_tokens(split, np.zeros_like(stages), stages, plan).tolist()
    return found


def build_accelerator(config: RunConfig) -> Accelerator:
    """Device, precision and processes as the config and the launcher say.

    What is compiled is the config's alone, whatever `accelerate config` was told.

    Raises:
        UserError: the device isn't there, the threads are far too many, or the launcher asks for
            another library.
    """
    refuse_other_libraries()
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device is 'cuda', but no CUDA device is there: use 'auto' or 'cpu'")
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise UserError("train.device is 'mps', but there is none: use 'auto' or 'cpu'")
    set_threads(config.train.threads)
    AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
    mixed = "bf16" if config.model.precision == "bfloat16-mixed" else "no"
    return Accelerator(
        cpu=wanted == "cpu",
        mixed_precision=mixed,
        dynamo_backend="no",
        step_scheduler_with_optimizer=False,
    )
