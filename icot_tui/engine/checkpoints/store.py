"""Saves a run's weights, optimizer and state in checkpoints, and loads them again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator
from torch import Tensor, nn

from icot_tui.config import CheckpointConfig
from icot_tui.engine.checkpoints.checkpoint import (
    OPTIMIZER,
    CheckpointPath,
    best_checkpoint,
    checkpoint_name,
    list_checkpoints,
    load_tensors,
    newest_verified,
    remove_checkpoint,
    save_tensors,
    stage_of,
    sweep,
    verify,
    write_checkpoint,
)
from icot_tui.engine.checkpoints.description import FILE as DESCRIPTION
from icot_tui.engine.checkpoints.description import CheckpointDescription
from icot_tui.engine.checkpoints.state import read_state
from icot_tui.engine.checkpoints.weights import Weights
from icot_tui.engine.journal.events import CheckpointSaved, Event, Warned
from icot_tui.engine.loop.optimizers import SkippingAdamW, optimizer_tensors, restore_optimizer
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.run_folder import BEST
from icot_tui.errors import UserError, disk_reason
from icot_tui.files import write_atomically
from icot_tui.models.tensors import whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARGIN = 8 << 20  # bytes that a checkpoint may need beside its tensors: tokenizer, state, manifest


@dataclass(kw_only=True, eq=False)
class Store:
    """Checkpoints of one run. With several processes each calls everything, one writes."""

    folder: Path
    config: CheckpointConfig
    accelerator: Accelerator
    weights: Weights
    optimizer: SkippingAdamW
    tokenizer: "PreTrainedTokenizerBase"
    description: CheckpointDescription
    emit: Callable[[Event], None]
    saves_before_removal: bool  # a checkpoint is wanted before each removal
    phase: str = ""  # the label of the training, in runs of several
    _saved: str | None = field(default=None, init=False)
    _tokenizer_files: dict[str, bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.accelerator.is_main_process:
            sweep(self.folder)

    @property
    def _parameters(self) -> dict[str, nn.Parameter]:
        named = self.weights.module.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}

    def has(self, state: RunState) -> bool:
        """Has this very state been saved already?"""
        return self._saved == self._name(state)

    def outdated(self) -> None:
        """The state changed between two steps: the checkpoint of this step is out of date."""
        self._saved = None

    def _name(self, state: RunState) -> str:
        return checkpoint_name(state.step, state.rollbacks, self.phase)

    def save(self, training_state: dict[str, Any], state: RunState) -> None:
        """Write a checkpoint and tidy up older ones; an `OSError` leaves nothing half-written."""
        began = time.perf_counter()
        name, moments = self._name(state), dict[str, Tensor]()
        weights = {key: whole(value) for key, value in self.weights.module.state_dict().items()}
        if self.config.optimizer_state:
            moments = optimizer_tensors(self.optimizer, self._parameters)
        if self.accelerator.is_main_process:
            tensors = [*weights.values(), *moments.values()]
            stage = training_state["curriculum"]["stage"]
            description = self.description.at(state.step, stage)

            def write_files(folder: Path) -> None:
                self._write_tokenizer(folder)
                self.weights.write(folder, weights)
                save_tensors(moments, folder / OPTIMIZER)
                (folder / DESCRIPTION).write_text(
                    description.model_dump_json(indent=1), encoding="utf-8"
                )

            needed = sum(tensor.nbytes for tensor in tensors) + MARGIN
            size = write_checkpoint(self.folder, name, training_state, write_files, needed)
            self.emit(
                CheckpointSaved(
                    step=state.step,
                    path=name,
                    stage=stage,
                    bytes=size,
                    seconds=time.perf_counter() - began,
                )
            )
            self.tidy(state)
        self._saved = name

    def _write_tokenizer(self, folder: Path) -> None:
        """Its files into an empty folder; they are the same each time, and made only once."""
        if not self._tokenizer_files:
            self.tokenizer.save_pretrained(folder)
            files = [path for path in folder.rglob("*") if path.is_file()]
            self._tokenizer_files = {str(f.relative_to(folder)): f.read_bytes() for f in files}
        for name, content in self._tokenizer_files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)

    def tidy(self, state: RunState) -> None:
        """Delete checkpoints that the config doesn't keep."""
        if not self.accelerator.is_main_process:
            return
        best = self._of_step(state.best.step) if self.config.keep_best else []
        self._retain(state, self.config.keep, self.config.keep_every_stages, best)

    def load(self, checkpoint: CheckpointPath) -> dict[str, Any]:
        """Load a checkpoint that fits the model into it and its optimizer; the training state."""
        state, _ = read_state(checkpoint.path)  # first: what can't be read changes nothing
        self.weights.read(checkpoint.path)
        moments = load_tensors(checkpoint.path / OPTIMIZER)
        restore_optimizer(self.optimizer, self._parameters, moments)
        self._saved = checkpoint.name
        return state

    def newest(self, below_stage: int | None = None) -> CheckpointPath:
        """The newest whole checkpoint, from before a stage if one is given; or a `UserError`."""
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
            write_atomically(self.folder / BEST, name + "\n", own_folder=True)
        except OSError as error:
            message = f"best could not be written: {disk_reason(error)}"
            self.emit(Warned(step=state.step, message=message))

    def outcome(self, state: RunState) -> CheckpointPath:
        """What the training leaves behind: the best checkpoint, or else the newest whole one.

        The others of this phase are deleted. Without any, a `UserError` is raised.
        """
        chosen = best_checkpoint(self.folder, self.phase)
        if chosen is None or chosen.step != state.best.step:  # from before a resume
            best = self._of_step(state.best.step)
            chosen = best[-1] if best and verify(best[-1].path) is None else self.newest()
        if self.accelerator.is_main_process:
            self._retain(state, 1, None, [chosen])
        return chosen

    def _retain(
        self,
        state: RunState,
        keep: int,
        keep_every_stages: int | None,
        protected: Sequence[CheckpointPath],
    ) -> None:
        """Delete the training's checkpoints but for the newest `keep` and the protected ones.

        With `keep_every_stages` = k, the newest checkpoint of stage 0, k, 2k, ... stays too. Those
        beyond the present step were passed over as damaged when the run resumed: they stay, but do
        not count as newest.
        """
        present = state.step, state.rollbacks
        checkpoints = [
            one
            for one in list_checkpoints(self.folder, self.phase)
            if (one.step, one.rollbacks) <= present
        ]
        kept = [*checkpoints[-keep:], *protected]
        if keep_every_stages is not None:
            by_stage = {stage_of(checkpoint): checkpoint for checkpoint in checkpoints}
            kept += [
                checkpoint
                for stage, checkpoint in by_stage.items()
                if stage is not None and stage % keep_every_stages == 0
            ]
        for checkpoint in checkpoints:
            if checkpoint not in kept:
                remove_checkpoint(checkpoint.path)

    def at_step(self, step: int) -> CheckpointPath:
        """The newest checkpoint of a step; a `UserError` if there is none, or it is damaged."""
        if found := self._of_step(step):
            if problem := verify(found[-1].path):
                raise UserError(f"checkpoint {found[-1].name} cannot be used: {problem}")
            return found[-1]
        known = list_checkpoints(self.folder, self.phase)
        steps = ", ".join(str(checkpoint.step) for checkpoint in known)
        raise UserError(f"there is no checkpoint of step {step} (there are {steps or 'none'})")

    def _of_step(self, step: int) -> list[CheckpointPath]:
        """The checkpoints of a step, oldest first."""
        return [one for one in list_checkpoints(self.folder, self.phase) if one.step == step]
