"""The trainings of ICoT-KD (arXiv 2311.01460): each built from what the earlier ones left."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from icot_tui.config import Phase
from icot_tui.curriculum.removal import Batch, RemovalPlan
from icot_tui.curriculum.schedule import ALL, Fixed
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.tokenizing import separators
from icot_tui.data.vocabulary import kept_tokens
from icot_tui.engine.checkpoints.description import check_origin
from icot_tui.engine.checkpoints.weights import ModelWeights
from icot_tui.engine.journal.events import SQUARED_ERROR, ThoughtsStored
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.loop.training import (
    RunContext,
    Training,
    language_model_training,
    new_model,
    positions_needed,
)
from icot_tui.engine.loop.update import Feed, Update
from icot_tui.errors import UserError
from icot_tui.methods.distillation import objectives
from icot_tui.methods.distillation.checkpoints import (
    Part,
    PartsWeights,
    find_outcome,
    open_emulator,
    open_student,
    open_teacher,
)
from icot_tui.methods.distillation.config import DistillationConfig
from icot_tui.methods.distillation.models import (
    MindReadingStudent,
    StateSource,
    TeacherStateTable,
    ThoughtEmulator,
    coupled_lm,
    with_usable_blocks,
)
from icot_tui.methods.distillation.teacher import (
    ComputedStates,
    StatePositions,
    TeacherStates,
    store_states,
)
from icot_tui.models.positions import extend_positions
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.vocabulary import forget_pad_token

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Trained = TypeVar("Trained", MindReadingStudent, ThoughtEmulator)
STATES_FOLDER = "thoughts"


class Distiller:
    """Builds one of the trainings of a run.

    `state` is the run's as the training begins; it names the checkpoints that earlier ones left.
    """

    def __init__(self, context: RunContext, phase: Phase, state: RunState) -> None:
        self._context = context
        self._phase = phase
        self._state = state
        self._config = phase.config
        self._section = phase.config.section(DistillationConfig)
        self._data = context.data
        self._device: torch.device = context.accelerator.device
        self._positions = positions_needed(phase.config, context.data)

    def training(self) -> Training:
        """The training; a UserError if what it builds on is missing or does not fit."""
        match self._phase.name:
            case "teacher":
                return language_model_training(
                    self._context, self._phase, Fixed(0), lm=self._new_model()
                )
            case "student":
                return self._student_training()
            case "emulator":
                return self._emulator_training()
            case _:
                return self._coupled_training()

    def _student_training(self) -> Training:
        teacher = self._teacher()
        student = MindReadingStudent(self._first_model(teacher))
        states, held_out = self._teacher_states(teacher)
        known = TeacherStateTable(_questions(self._data.validation), held_out)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            separators = update.send(batch.prompt_lengths - 1)
            return *update.tensors(batch), separators, states(batch.index)

        objective = objectives.StudentObjective(student)
        return self._answering(objective, {"student": student}, student, known, feed)

    def _emulator_training(self) -> Training:
        teacher = self._teacher()
        lm = self._first_model(teacher)
        emulator = ThoughtEmulator(lm, self._section.mixture_components, self._section.temperature)
        objectives.freeze_unused(emulator, self._data.separator_id)
        states, held_out = self._teacher_states(teacher)
        student = self._earlier("student", open_student).requires_grad_(False).to(self._device)
        self._check_fit(student.lm, "student", emulator.lm)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            counts = (batch.index >= 0).astype(np.float32)
            return *_questions_of(update, batch), states(batch.index), update.send(counts)

        training = self._answering(
            objectives.EmulatorObjective(emulator), {"emulator": emulator}, student, emulator, feed
        )
        return replace(
            training,
            per_row=True,
            unit=SQUARED_ERROR,
            emulation_errors=lambda: self._errors(emulator, held_out),
        )

    def _coupled_training(self) -> Training:
        shutil.rmtree(self._context.folder.path / STATES_FOLDER, ignore_errors=True)  # used no more
        student = self._earlier("student", open_student)
        emulator = self._earlier("emulator", open_emulator)
        self._check_fit(student.lm, "student", emulator.lm, "the emulator has")
        objectives.freeze_unused(emulator, self._data.separator_id)
        if self._section.freeze_emulator:
            emulator.requires_grad_(False)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            return *update.tensors(batch), *_questions_of(update, batch)

        parts: dict[str, Part] = {"student": student, "emulator": emulator}
        return self._answering(
            objectives.CoupledObjective(emulator, student), parts, student, emulator, feed
        )

    def _answering(
        self,
        objective: nn.Module,
        parts: dict[str, Part],
        student: MindReadingStudent,
        source: StateSource,
        feed: Feed,
    ) -> Training:
        """A training whose student answers without a written chain of thought."""
        lm = coupled_lm(student, source, separators(self._data.tokenizer).question)
        answering = SupervisedLM(cast("PreTrainedModel", lm)).eval()  # for good: no dropout
        weights = PartsWeights(parts)
        return Training(
            phase=self._phase,
            train=self._data.train,
            objective=objective,
            plan=RemovalPlan(answer_only=True),
            schedule=Fixed(ALL),
            positions=self._positions,
            evaluated_model=lambda bare: answering,
            saved=lambda bare: weights,
            feed=feed,
        )

    def _path(self, part: str) -> Path:
        """The checkpoint that has a model which was trained before."""
        if part in self._state.outcomes:
            return self._context.folder.checkpoints / self._state.outcomes[part]
        given = getattr(self._section, f"from_{part}")
        assert given is not None, "the config's check asks for it"
        folder = find_outcome(given, part)
        check_origin(folder, self._data.tokenizer)
        return folder

    def _new_model(self) -> "PreTrainedModel":
        """As the config describes; refused before the teacher's training if no other could be."""
        return with_usable_blocks(new_model(self._context, self._phase))

    def _first_model(self, teacher: "PreTrainedModel") -> "PreTrainedModel":
        """What student and emulator begin with."""
        lm = self._new_model()
        self._check_fit(teacher, "teacher", lm)
        if self._section.start == "teacher":
            ModelWeights(lm).read(self._path("teacher"))
        torch.manual_seed(self._config.seed)  # of the MLPs that follow
        return lm

    def _teacher(self) -> "PreTrainedModel":
        teacher = open_teacher(self._path("teacher"))
        extend_positions(teacher, self._positions)
        self._check_words(teacher, "teacher")
        return teacher.eval().requires_grad_(False).to(self._device)

    def _earlier(self, part: str, opened: Callable[[Path], Trained]) -> Trained:
        """A model that was trained before, ready to be trained or used."""
        model = opened(self._path(part))
        self._check_words(model.lm, part)
        extend_positions(model.lm, self._positions)
        forget_pad_token(model.lm.config)
        return model.to(torch.bfloat16) if self._config.model.precision == "bfloat16" else model

    def _teacher_states(self, teacher: "PreTrainedModel") -> tuple[TeacherStates, Tensor]:
        """Of the training examples, and [n, L, H] of the held-out ones."""
        context, section = self._context, self._section
        positions = StatePositions(section.subset, section.delta)

        def of(split: EncodedSplit) -> ComputedStates:
            autocast = context.accelerator.autocast
            separator = self._data.separator_id
            return ComputedStates(teacher, split, positions, separator, self._device, autocast)

        computed, held_out = of(self._data.train), of(self._data.validation).all()
        exact = self._config.model.precision == "float32"
        dtype: np.dtype[Any] = np.dtype(np.float32 if exact else np.float16)
        fits = math.prod(computed.shape) * dtype.itemsize <= section.stored_gigabytes * 1e9
        if not fits or context.accelerator.num_processes > 1:
            return computed, held_out
        path = context.folder.path / STATES_FOLDER / f"{self._path('teacher').name}.npy"
        step = self._state.step
        check = partial(context.control.check_stop, step, context.emit)
        stored = store_states(
            computed, path, dtype, step, emit=context.emit, told=self._stored_told, check=check
        )
        return stored, held_out

    def _stored_told(self) -> bool:
        told = effective(JournalReader(self._context.folder.journal).events())
        return any(isinstance(event, ThoughtsStored) for _, event in told)

    @torch.no_grad()
    def _errors(self, emulator: ThoughtEmulator, held_out: Tensor) -> list[float]:
        """[L] mean error of each block's thought on the held-out examples."""
        split, size = self._data.validation, self._config.evaluation.batch_size
        questions, longest = _questions(split), int(split.prompt_lengths.max())
        separators = torch.from_numpy(split.prompt_lengths.astype(np.int64) - 1)
        total = torch.zeros(held_out.shape[1], device=self._device)
        for begin in range(0, len(split), size):
            rows = slice(begin, begin + size)
            ids = torch.zeros(len(questions[rows]), longest, dtype=torch.long)
            for line, question in zip(ids, questions[rows], strict=True):
                line[: len(question)] = torch.tensor(question)
            emulated = emulator(ids.to(self._device), separators[rows].to(self._device))
            expected = held_out[rows].to(self._device)
            total += objectives.emulation_errors(emulated, expected).sum(dim=0)
        errors: list[float] = (total / len(split)).tolist()
        return errors

    def _check_words(self, lm: "PreTrainedModel", part: str) -> None:
        has: int = lm.get_input_embeddings().weight.shape[0]
        wanted = kept_tokens(self._data.tokenizer)
        if has < wanted:
            raise UserError(
                f"the {part} knows {has} words, but the data's tokenizer has {wanted}: it was "
                "trained with another tokenizer"
            )
        if has > wanted and self._data.whole is not None:
            raise UserError(
                f"the {part} knows {has} words, and the data has {wanted}: train it with "
                "model.vocabulary = 'data', too, or leave that out"
            )

    def _check_fit(
        self,
        given: "PreTrainedModel",
        part: str,
        lm: "PreTrainedModel",
        other: str = "the model section says",
    ) -> None:
        """A thought a block, as wide as the block."""
        sizes = [(one.config.num_hidden_layers, one.config.hidden_size) for one in (given, lm)]
        if sizes[0] != sizes[1]:
            (blocks, width), (own_blocks, own_width) = sizes
            raise UserError(
                f"the {part} has {blocks} blocks of width {width}, but {other} {own_blocks} of "
                f"width {own_width}: they must be the same"
            )


def _questions(split: EncodedSplit) -> list[list[int]]:
    lengths = split.prompt_lengths.tolist()
    return [split.example(place)[:length].tolist() for place, length in enumerate(lengths)]


def _questions_of(update: Update, batch: Batch) -> tuple[Tensor, Tensor]:
    """[B, C] ids that hold the questions, and [B] where their separators stand."""
    ids = batch.ids[:, : int(batch.prompt_lengths.max(initial=1))]
    return update.send(ids), update.send(batch.prompt_lengths - 1)
