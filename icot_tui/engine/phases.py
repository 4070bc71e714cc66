"""The trainings of ICoT-KD (method, section 5): each built from what the earlier ones left."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from icot_tui.config import Phase, RunConfig
from icot_tui.curriculum.removal import Batch, RemovalPlan
from icot_tui.curriculum.schedule import ALL, Fixed
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.load import Data
from icot_tui.engine.checkpoints.parts import (
    PartsWeights,
    open_emulator,
    open_student,
    open_teacher,
)
from icot_tui.engine.checkpoints.phase_results import find_outcome
from icot_tui.engine.checkpoints.weights import ModelWeights
from icot_tui.engine.journal.events import Event
from icot_tui.engine.loop.phase import Training, positions_needed
from icot_tui.engine.loop.update import Update
from icot_tui.engine.thoughts import ComputedThoughts, Thoughts, store_thoughts, stored_bytes
from icot_tui.errors import UserError
from icot_tui.methods.distillation.emulator import ThoughtEmulator
from icot_tui.methods.distillation.method import distillation_config, phase_config
from icot_tui.methods.distillation.objectives import (
    CoupledObjective,
    EmulatorObjective,
    StudentObjective,
    emulation_errors,
    freeze_unused,
)
from icot_tui.methods.distillation.positions import ThoughtPlaces
from icot_tui.methods.distillation.student import MindReadingStudent
from icot_tui.methods.distillation.thinking import KnownThoughts, ThinkingLM
from icot_tui.models.build import build_model, extend_positions
from icot_tui.models.supervised import SupervisedLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Trained = TypeVar("Trained", MindReadingStudent, ThoughtEmulator)
ANSWER_ONLY = RemovalPlan(answer_only=True)
THOUGHTS_FOLDER = "thoughts"
SQUARED_ERROR = "half the squared error an example"


@dataclass
class Distiller:
    """Builds the trainings of one run.

    Attributes:
        config: the run's.
        data: with training examples that are too long for the teacher left out.
        folder: the run's.
        accelerator: device and precision.
        emit: takes the news.
        check: called with the step between the parts of long preparations.
    """

    config: RunConfig
    data: Data
    folder: Path
    accelerator: Accelerator
    emit: Callable[[Event], None]
    check: Callable[[int], None]

    def training(self, phase: Phase, outcomes: dict[str, str], step: int) -> Training:
        """One training.

        Args:
            phase: which.
            outcomes: the checkpoints' names that earlier trainings of this run left.
            step: at which it begins, for the news.

        Raises:
            UserError: what it builds on is missing, or doesn't fit.
        """
        build = {
            "teacher": self._teacher_training,
            "student": self._student_training,
            "emulator": self._emulator_training,
            "coupled": self._coupled_training,
        }
        return build[phase](phase_config(self.config, phase), outcomes, step)

    # The four ---------------------------------------------------------------------------------

    def _teacher_training(self, config: RunConfig, outcomes: dict[str, str], step: int) -> Training:
        objective = SupervisedLM(self._new_model(config))
        return Training(
            config=config,
            train=self.data.train,
            objective=objective,
            plan=RemovalPlan(),
            schedule=Fixed(0),
            positions=self._positions,
            evaluated_model=lambda bare: objective,
            saved=lambda bare: ModelWeights(objective.lm),
            phase="teacher",
        )

    def _student_training(self, config: RunConfig, outcomes: dict[str, str], step: int) -> Training:
        teacher = self._teacher(outcomes)
        student = MindReadingStudent(self._first_model(config, outcomes, teacher))
        thoughts, held_out = self._thoughts(teacher, outcomes, step)
        known = KnownThoughts(_questions(self.data.validation), held_out)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            separators = update.send(batch.prompt_lengths - 1)
            return *update.tensors(batch), separators, thoughts(batch.index)

        return self._answering(
            config, "student", StudentObjective(student), {"student": student},
            ThinkingLM(student, known, self.data.separator_id), feed,
        )  # fmt: skip

    def _emulator_training(
        self, config: RunConfig, outcomes: dict[str, str], step: int
    ) -> Training:
        section = distillation_config(config)
        teacher = self._teacher(outcomes)
        lm = self._first_model(config, outcomes, teacher)
        emulator = ThoughtEmulator(lm, section.mixture_components, section.temperature)
        freeze_unused(emulator, self.data.separator_id)
        thoughts, held_out = self._thoughts(teacher, outcomes, step)
        student = self._student(outcomes).requires_grad_(False).to(self._device)
        self._check_fit(student.lm, "student", emulator.lm)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            counts = (batch.index >= 0).astype(np.float32)
            return *_questions_of(update, batch), thoughts(batch.index), update.send(counts)

        return self._answering(
            config, "emulator", EmulatorObjective(emulator), {"emulator": emulator},
            ThinkingLM(student, emulator, self.data.separator_id), feed,
            per_row=True, unit=SQUARED_ERROR,
            thought_errors=lambda: self._errors(emulator, held_out),
        )  # fmt: skip

    def _coupled_training(self, config: RunConfig, outcomes: dict[str, str], step: int) -> Training:
        shutil.rmtree(self.folder / THOUGHTS_FOLDER, ignore_errors=True)  # no longer of use
        student, emulator = self._student(outcomes), self._emulator(outcomes)
        self._check_fit(student.lm, "student", emulator.lm, "the emulator has")
        freeze_unused(emulator, self.data.separator_id)
        if distillation_config(config).freeze_emulator:
            emulator.requires_grad_(False)

        def feed(update: Update, batch: Batch) -> tuple[Any, ...]:
            return *update.tensors(batch), *_questions_of(update, batch)

        return self._answering(
            config, "coupled", CoupledObjective(emulator, student),
            {"student": student, "emulator": emulator},
            ThinkingLM(student, emulator, self.data.separator_id), feed,
        )  # fmt: skip

    def _answering(
        self,
        config: RunConfig,
        phase: Phase,
        objective: nn.Module,
        parts: dict[str, MindReadingStudent | ThoughtEmulator],
        thinking: ThinkingLM,
        feed: Callable[[Update, Batch], tuple[Any, ...]],
        **others: Any,
    ) -> Training:
        """A training whose student answers without a written thought."""
        weights = PartsWeights(parts)
        return Training(
            config=config,
            train=self.data.train,
            objective=objective,
            plan=ANSWER_ONLY,
            schedule=Fixed(ALL),
            positions=self._positions,
            evaluated_model=lambda bare: SupervisedLM(
                thinking
            ).eval(),  # and so it stays: no dropout
            saved=lambda bare: weights,
            phase=phase,
            feed=feed,
            **others,
        )

    # What they are made of --------------------------------------------------------------------

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.accelerator.device
        return device

    @property
    def _positions(self) -> int:
        return positions_needed(self.config, self.data)

    def _path(self, part: str, outcomes: dict[str, str]) -> Path:
        """The checkpoint that has a model which was trained before."""
        if part in outcomes:
            return self.folder / "checkpoints" / outcomes[part]
        given = getattr(distillation_config(self.config), f"from_{part}")
        assert given is not None, "the config's check asks for it"
        return find_outcome(given, part)

    def _new_model(self, config: RunConfig) -> "PreTrainedModel":
        data = self.data
        words = len(data.tokenizer)
        return build_model(config.model, words, data.separator_id, self._positions, config.seed)

    def _first_model(
        self, config: RunConfig, outcomes: dict[str, str], teacher: "PreTrainedModel"
    ) -> "PreTrainedModel":
        """What student and emulator begin with."""
        lm = self._new_model(config)
        self._check_fit(teacher, "teacher", lm)
        if distillation_config(config).start == "teacher":
            ModelWeights(lm).read(self._path("teacher", outcomes))
        torch.manual_seed(config.seed)  # of the MLPs that follow
        return lm

    def _teacher(self, outcomes: dict[str, str]) -> "PreTrainedModel":
        teacher = open_teacher(self._path("teacher", outcomes))
        extend_positions(teacher, self._positions)
        self._check_words(teacher, "teacher")
        return teacher.eval().requires_grad_(False).to(self._device)

    def _student(self, outcomes: dict[str, str]) -> MindReadingStudent:
        student = open_student(self._path("student", outcomes))
        self._check_words(student.lm, "student")
        return self._in_precision(student)

    def _emulator(self, outcomes: dict[str, str]) -> ThoughtEmulator:
        emulator = open_emulator(self._path("emulator", outcomes))
        self._check_words(emulator.lm, "emulator")
        return self._in_precision(emulator)

    def _in_precision(self, part: Trained) -> Trained:
        extend_positions(part.lm, self._positions)
        part.lm.config.pad_token_id = None
        return part.to(torch.bfloat16) if self.config.model.precision == "bfloat16" else part

    def _thoughts(
        self, teacher: "PreTrainedModel", outcomes: dict[str, str], step: int
    ) -> tuple[Thoughts, Tensor]:
        """Of the training examples, and [n, L, H] of the held-out ones."""
        section = distillation_config(self.config)
        places = ThoughtPlaces(section.subset, section.delta)

        def of(split: EncodedSplit) -> ComputedThoughts:
            return ComputedThoughts(
                teacher, split, places, self.data.separator_id, self._device,
                self.accelerator.autocast,
            )  # fmt: skip

        computed, held_out = of(self.data.train), of(self.data.validation).all()
        exact = self.config.model.precision == "float32"
        dtype: np.dtype[Any] = np.dtype(np.float32 if exact else np.float16)
        fits = stored_bytes(computed, dtype) <= section.stored_gigabytes * 1e9
        if not fits or self.accelerator.num_processes > 1:
            return computed, held_out
        path = self.folder / THOUGHTS_FOLDER / f"{self._path('teacher', outcomes).name}.npy"
        stored = store_thoughts(
            computed=computed,
            path=path,
            dtype=dtype,
            device=self._device,
            step=step,
            emit=self.emit,
            check=lambda: self.check(step),
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
