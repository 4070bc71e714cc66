"""Puts a run's weights, optimizer and state into checkpoints, and takes them out again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator
from torch import nn

from icot_tui.config import CheckpointConfig
from icot_tui.engine.checkpoints.checkpoint import (
    BEST,
    OPTIMIZER,
    CheckpointPath,
    best_checkpoint,
    checkpoint_name,
    list_checkpoints,
    load_tensors,
    newest_verified,
    retain,
    save_tensors,
    sweep,
    verify,
    write_checkpoint,
)
from icot_tui.engine.checkpoints.description import FILE as DESCRIPTION
from icot_tui.engine.checkpoints.description import CheckpointDescription
from icot_tui.engine.checkpoints.weights import Weights
from icot_tui.engine.journal.events import CheckpointSaved, Event, Warned
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.loop.update import SkippingAdamW, optimizer_tensors, restore_optimizer
from icot_tui.engine.run_folder import write_atomically
from icot_tui.errors import UserError
from icot_tui.models.tensors import whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARGIN = 8 << 20
"""Bytes that a checkpoint may need beside its tensors: tokenizer, state, manifest."""


@dataclass(kw_only=True, eq=False)
class Store:
    """Checkpoints of one run. With several processes each calls everything, one writes.

    `saves_before_removal`: a checkpoint is wanted before each removal. `phase` is the label of the
    training in runs of several.
    """

    folder: Path
    config: CheckpointConfig
    accelerator: Accelerator
    weights: Weights
    optimizer: SkippingAdamW
    tokenizer: "PreTrainedTokenizerBase"
    description: CheckpointDescription
    emit: Callable[[Event], None]
    saves_before_removal: bool
    phase: str = ""
    _saved: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.accelerator.is_main_process:
            sweep(self.folder)

    @property
    def _parameters(self) -> dict[str, nn.Parameter]:
        named = self.weights.module.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}

    def has(self, state: RunState) -> bool:
        """Was this very state saved already?"""
        return self._saved == self._name(state)

    def outdated(self) -> None:
        """The state changed between two steps: what was saved of this step no longer holds."""
        self._saved = None

    def _name(self, state: RunState) -> str:
        return checkpoint_name(state.step, state.rollbacks, self.phase)

    def save(self, training_state: dict[str, Any], state: RunState) -> None:
        """Write a checkpoint and tidy up older ones.

        Raises:
            OSError: it can't be written; nothing half-written is left.
        """
        began = time.perf_counter()
        name = self._name(state)
        weights = {key: whole(value) for key, value in self.weights.module.state_dict().items()}
        moments = (
            optimizer_tensors(self.optimizer, self._parameters)
            if self.config.optimizer_state
            else {}
        )
        if self.accelerator.is_main_process:
            tensors = [*weights.values(), *moments.values()]
            needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors) + MARGIN

            stage = training_state["curriculum"]["stage"]
            description = self.description.at(state.step, stage)

            def write_files(folder: Path) -> None:
                self.weights.write(folder, weights)
                self.tokenizer.save_pretrained(folder)
                save_tensors(moments, folder / OPTIMIZER)
                (folder / DESCRIPTION).write_text(description.model_dump_json(indent=1))

            size = write_checkpoint(self.folder, name, training_state, write_files, needed)
            seconds = time.perf_counter() - began
            self.emit(
                CheckpointSaved(
                    step=state.step, path=name, stage=stage, bytes=size, seconds=seconds
                )
            )
            self.tidy(state)
        self._saved = name

    def tidy(self, state: RunState) -> None:
        """Delete checkpoints that the config doesn't keep."""
        if not self.accelerator.is_main_process:
            return
        best = {
            checkpoint.name
            for checkpoint in list_checkpoints(self.folder, self.phase)
            if self.config.keep_best and checkpoint.step == state.best.step
        }
        config, present = self.config, (state.step, state.rollbacks)
        retain(self.folder, config.keep, config.keep_every_stages, best, self.phase, present)

    def load(self, checkpoint: CheckpointPath) -> dict[str, Any]:
        """Put a checkpoint's tensors into model and optimizer; the rest of its state.

        Raises:
            UserError: it doesn't fit this model.
        """
        self.weights.read(checkpoint.path)
        moments = load_tensors(checkpoint.path / OPTIMIZER)
        restore_optimizer(self.optimizer, self._parameters, moments)
        self._saved = checkpoint.name
        return checkpoint.state()

    def newest(self, below_stage: int | None = None) -> CheckpointPath:
        """The newest whole checkpoint, from before a stage if so wished.

        Raises:
            UserError: there is none.
        """
        checkpoint, complaints = newest_verified(self.folder, below_stage, self.phase)
        for complaint in complaints:
            self.emit(Warned(step=0 if checkpoint is None else checkpoint.step, message=complaint))
        if checkpoint is None:
            before = "" if below_stage is None else f" from before stage {below_stage}"
            raise UserError(f"there is no whole checkpoint{before} to go back to")
        return checkpoint

    def name_best(self, state: RunState) -> None:
        """Let `best` name the checkpoint of this step."""
        name = self._name(state)
        if not self.accelerator.is_main_process or not (self.folder / name).is_dir():
            return
        try:
            write_atomically(self.folder / BEST, name + "\n")
        except OSError as error:
            self.emit(
                Warned(step=state.step, message=f"best could not be written: {error.strerror}")
            )

    def outcome(self, state: RunState) -> CheckpointPath:
        """What the training leaves behind: the best checkpoint if there is one, or the newest.

        The others of this phase go.

        Raises:
            UserError: there is no whole one.
        """
        chosen = best_checkpoint(self.folder, self.phase)
        if chosen is None or chosen.step != state.best.step:  # from before a resume
            found = list_checkpoints(self.folder, self.phase)
            best = [one for one in found if one.step == state.best.step]
            chosen = best[-1] if best and verify(best[-1].path) is None else self.newest()
        if self.accelerator.is_main_process:
            present = state.step, state.rollbacks
            retain(self.folder, 1, None, {chosen.name}, self.phase, present)
        return chosen

    def at_step(self, step: int) -> CheckpointPath:
        """The newest checkpoint of a step.

        Raises:
            UserError: there is none, or it is damaged.
        """
        found = list_checkpoints(self.folder, self.phase)
        for checkpoint in reversed(found):
            if checkpoint.step == step:
                if problem := verify(checkpoint.path):
                    raise UserError(f"checkpoint {checkpoint.name} cannot be used: {problem}")
                return checkpoint
        steps = ", ".join(str(checkpoint.step) for checkpoint in found)
        raise UserError(f"there is no checkpoint of step {step} (there are {steps or 'none'})")
