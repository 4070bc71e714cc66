"""The trainings of ICoT-KD (arXiv 2311.01460): each built from what the earlier ones left."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from icot_tui.config import Phase, RunConfig
from icot_tui.curriculum.removal import Batch, RemovalPlan
from icot_tui.curriculum.schedule import ALL, Fixed
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.load import Data
from icot_tui.engine.checkpoints.description import check_origin
from icot_tui.engine.checkpoints.weights import ModelWeights
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
from icot_tui.methods.distillation.checkpoints import (
    Part,
    PartsWeights,
    find_outcome,
    open_emulator,
    open_student,
    open_teacher,
)
from icot_tui.methods.distillation.config import DistillationConfig
from icot_tui.methods.distillation.coupled import StateSource, TeacherStateTable, coupled_lm
from icot_tui.methods.distillation.models import MindReadingStudent, ThoughtEmulator
from icot_tui.methods.distillation.objectives import (
    CoupledObjective,
    EmulatorObjective,
    StudentObjective,
    emulation_errors,
    freeze_unused,
)
from icot_tui.methods.distillation.teacher import (
    ComputedStates,
    StatePositions,
    TeacherStates,
    store_states,
    stored_bytes,
)
from icot_tui.models.build import extend_positions
from icot_tui.models.supervised import SupervisedLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Trained = TypeVar("Trained", MindReadingStudent, ThoughtEmulator)
STATES_FOLDER = "thoughts"
SQUARED_ERROR = "half the squared error an example"


@dataclass(frozen=True)
class Distiller:
    """Builds one of the trainings of a run.

    Attributes:
        context: the run.
        phase: which training.
        state: the run's, as the training begins; names the checkpoints that earlier ones left.
    """

    context: RunContext
    phase: Phase
    state: RunState

    def training(self) -> Training:
        """The training.

        Raises:
            UserError: what it builds on is missing, or doesn't fit.
        """
        build = {
            "teacher": self._teacher_training,
            "student": self._student_training,
            "emulator": self._emulator_training,
            "coupled": self._coupled_training,
        }
        return build[self.phase.name]()

    @property
    def config(self) -> RunConfig:
        """As it holds for this training."""
        return self.phase.config

    @property
    def section(self) -> DistillationConfig:
        """The method's own options."""
        return self.config.section(DistillationConfig)

    @property
    def data(self) -> Data:
        """Tokenizer and examples."""
        return self.context.data

    # The four ---------------------------------------------------------------------------------

    def _teacher_training(self) -> Training:
        return language_model_training(self.context, self.phase, Fixed(0))

    def _student_training(self) -> Training:
        teacher = self._teacher()
        student = MindReadingStudent(self._first_model(teacher))
        states, held_out = self._teacher_states(teacher)
        known = TeacherStateTable(_questions(self.data.validation), held_out)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            separators = update.send(batch.prompt_lengths - 1)
            return *update.tensors(batch), separators, states(batch.index)

        return self._answering(
            StudentObjective(student), {"student": student}, student, known, feed
        )

    def _emulator_training(self) -> Training:
        teacher = self._teacher()
        lm = self._first_model(teacher)
        emulator = ThoughtEmulator(lm, self.section.mixture_components, self.section.temperature)
        freeze_unused(emulator, self.data.separator_id)
        states, held_out = self._teacher_states(teacher)
        student = self._student().requires_grad_(False).to(self._device)
        self._check_fit(student.lm, "student", emulator.lm)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            counts = (batch.index >= 0).astype(np.float32)
            return *_questions_of(update, batch), states(batch.index), update.send(counts)

        training = self._answering(
            EmulatorObjective(emulator), {"emulator": emulator}, student, emulator, feed
        )
        return replace(
            training,
            per_row=True,
            unit=SQUARED_ERROR,
            emulation_errors=lambda: self._errors(emulator, held_out),
        )

    def _coupled_training(self) -> Training:
        # No longer of use:
        shutil.rmtree(self.context.folder.path / STATES_FOLDER, ignore_errors=True)
        student, emulator = self._student(), self._emulator()
        self._check_fit(student.lm, "student", emulator.lm, "the emulator has")
        freeze_unused(emulator, self.data.separator_id)
        if self.section.freeze_emulator:
            emulator.requires_grad_(False)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            return *update.tensors(batch), *_questions_of(update, batch)

        parts: dict[str, Part] = {"student": student, "emulator": emulator}
        return self._answering(CoupledObjective(emulator, student), parts, student, emulator, feed)

    def _answering(
        self,
        objective: nn.Module,
        parts: dict[str, Part],
        student: MindReadingStudent,
        source: StateSource,
        feed: Feed,
    ) -> Training:
        """A training whose student answers without a written chain of thought."""
        lm = coupled_lm(student, source, self.data.separator_id)
        answering = SupervisedLM(cast("PreTrainedModel", lm)).eval()  # for good: no dropout
        weights = PartsWeights(parts)
        return Training(
            phase=self.phase,
            train=self.data.train,
            objective=objective,
            plan=RemovalPlan(answer_only=True),
            schedule=Fixed(ALL),
            positions=self._positions,
            evaluated_model=lambda bare: answering,
            saved=lambda bare: weights,
            feed=feed,
        )

    # What they are made of --------------------------------------------------------------------

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.context.accelerator.device
        return device

    @property
    def _positions(self) -> int:
        return positions_needed(self.config, self.data)

    def _path(self, part: str) -> Path:
        """The checkpoint that has a model which was trained before."""
        if part in self.state.outcomes:
            return self.context.folder.checkpoints / self.state.outcomes[part]
        given = getattr(self.section, f"from_{part}")
        assert given is not None, "the config's check asks for it"
        folder = find_outcome(given, part)
        check_origin(folder, self.data.tokenizer)
        return folder

    def _first_model(self, teacher: "PreTrainedModel") -> "PreTrainedModel":
        """What student and emulator begin with."""
        lm = new_model(self.context, self.phase)
        self._check_fit(teacher, "teacher", lm)
        if self.section.start == "teacher":
            ModelWeights(lm).read(self._path("teacher"))
        torch.manual_seed(self.config.seed)  # of the MLPs that follow
        return lm

    def _teacher(self) -> "PreTrainedModel":
        teacher = open_teacher(self._path("teacher"))
        extend_positions(teacher, self._positions)
        self._check_words(teacher, "teacher")
        return teacher.eval().requires_grad_(False).to(self._device)

    def _student(self) -> MindReadingStudent:
        student = open_student(self._path("student"))
        self._check_words(student.lm, "student")
        return self._in_precision(student)

    def _emulator(self) -> ThoughtEmulator:
        emulator = open_emulator(self._path("emulator"))
        self._check_words(emulator.lm, "emulator")
        return self._in_precision(emulator)

    def _in_precision(self, part: Trained) -> Trained:
        extend_positions(part.lm, self._positions)
        part.lm.config.pad_token_id = None
        return part.to(torch.bfloat16) if self.config.model.precision == "bfloat16" else part

    def _teacher_states(self, teacher: "PreTrainedModel") -> tuple[TeacherStates, Tensor]:
        """Of the training examples, and [n, L, H] of the held-out ones."""
        section, context, step = self.section, self.context, self.state.step
        positions = StatePositions(section.subset, section.delta)

        def of(split: EncodedSplit) -> ComputedStates:
            autocast = context.accelerator.autocast
            separator = self.data.separator_id
            return ComputedStates(teacher, split, positions, separator, self._device, autocast)

        computed, held_out = of(self.data.train), of(self.data.validation).all()
        exact = self.config.model.precision == "float32"
        dtype: np.dtype[Any] = np.dtype(np.float32 if exact else np.float16)
        fits = stored_bytes(computed, dtype) <= section.stored_gigabytes * 1e9
        if not fits or context.accelerator.num_processes > 1:
            return computed, held_out
        path = context.folder.path / STATES_FOLDER / f"{self._path('teacher').name}.npy"
        stored = store_states(
            computed=computed,
            path=path,
            dtype=dtype,
            device=self._device,
            step=step,
            emit=context.emit,
            check=lambda: context.control.check_stop(step, context.emit),
        )
        return stored, held_out

    @torch.no_grad()
    def _errors(self, emulator: ThoughtEmulator, held_out: Tensor) -> list[float]:
        """[L] mean error of each block's thought on the held-out examples."""
        split, size = self.data.validation, self.config.evaluation.batch_size
        longest = int(split.prompt_lengths.max())
        total = torch.zeros(held_out.shape[1], device=self._device)
        for begin in range(0, len(split), size):
            rows = slice(begin, min(begin + size, len(split)))
            ids = torch.zeros(rows.stop - begin, longest, dtype=torch.long)
            for line, index in zip(ids, range(begin, rows.stop), strict=True):
                question = split.example(index)[: split.prompt_lengths[index]]
                line[: len(question)] = torch.from_numpy(question)
            separators = torch.from_numpy(split.prompt_lengths[rows].astype(np.int64) - 1)
            emulated = emulator(ids.to(self._device), separators.to(self._device))
            total += emulation_errors(emulated, held_out[rows].to(self._device)).sum(dim=0)
        errors: list[float] = (total / len(split)).tolist()
        return errors

    # Checks -----------------------------------------------------------------------------------

    def _check_words(self, lm: "PreTrainedModel", part: str) -> None:
        has: int = lm.get_input_embeddings().weight.shape[0]
        if has < len(self.data.tokenizer):
            raise UserError(
                f"the {part} knows {has} words, but the data's tokenizer has "
                f"{len(self.data.tokenizer)}: it was trained with another tokenizer"
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
