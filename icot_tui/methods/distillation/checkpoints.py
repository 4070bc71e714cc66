"""Checkpoints of distillation: the models that it trains, each in a folder of its own.

step-00003000-4-coupled/
  student/ emulator/     each: config.json and model.safetensors as transformers writes them,
                         and thoughts.safetensors with what reads or predicts thoughts
  distillation.json      which models there are, and the emulator's settings
  tokenizer files
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from icot_tui.data.tokenizing import separators
from icot_tui.engine.checkpoints.checkpoint import (
    THOUGHTS,
    CheckpointPath,
    best_checkpoint,
    list_checkpoints,
    newest_verified,
    refuse_damaged,
    verify,
)
from icot_tui.engine.checkpoints.description import read_description
from icot_tui.engine.checkpoints.state import LARGEST
from icot_tui.engine.checkpoints.weights import ExtendedWeights
from icot_tui.engine.run_folder import runs_folder
from icot_tui.errors import UserError
from icot_tui.files import read_file
from icot_tui.methods.distillation.config import PARTS
from icot_tui.methods.distillation.models import MindReadingStudent, ThoughtEmulator, coupled_lm
from icot_tui.models.loading import load_pretrained
from icot_tui.models.published import (
    PREFIX,
    Architecture,
    blank_model,
    fill,
    published_config,
    published_tensors,
)
from icot_tui.models.wrapped import WrappedLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Part = MindReadingStudent | ThoughtEmulator


class PartsWeights:
    """Student, emulator or both by these names, as one checkpoint; see `Weights`."""

    def __init__(self, parts: dict[str, Part]) -> None:
        self.module = nn.ModuleDict(parts)
        self._parts = parts

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        for name, part in self._parts.items():
            prefix = f"{name}."
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            ExtendedWeights(part, THOUGHTS).write(folder / name, own)
        settings = {name: _settings(part) for name, part in self._parts.items()}
        (folder / PARTS).write_text(json.dumps(settings, indent=1))

    def read(self, folder: Path) -> None:
        for name, part in self._parts.items():
            ExtendedWeights(part, THOUGHTS).read(folder / name)


def _settings(part: Part) -> dict[str, Any]:
    if isinstance(part, MindReadingStudent):
        return {}
    components = part.mixture_components.num_embeddings
    return {"mixture_components": components, "temperature": part.temperature}


def part_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """The settings of a checkpoint's models by name; empty for a folder of any other kind.

    Raises:
        UserError: its file cannot be read.
    """
    path = folder / PARTS
    if not path.is_file():
        return {}
    try:
        settings = json.loads(read_file(path, LARGEST))
        return {name: dict(settings[name]) for name in ("student", "emulator") if name in settings}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def open_student(folder: Path) -> MindReadingStudent:
    """The mind-reading student of a checkpoint, in float32; a UserError says why there is none."""
    if "student" not in part_settings(folder):
        raise UserError(f"{folder} holds no mind-reading student")
    student = MindReadingStudent(load_pretrained(str(folder / "student")))
    ExtendedWeights(student, THOUGHTS).read(folder / "student")
    return student


def open_emulator(folder: Path) -> ThoughtEmulator:
    """The thought emulator of a checkpoint, in float32; a UserError says why there is none."""
    settings = part_settings(folder).get("emulator")
    if settings is None:
        raise UserError(f"{folder} holds no thought emulator")
    lm = load_pretrained(str(folder / "emulator"))
    try:
        emulator = ThoughtEmulator(lm, settings["mixture_components"], settings["temperature"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / PARTS} lacks the emulator's settings") from error
    ExtendedWeights(emulator, THOUGHTS).read(folder / "emulator")
    return emulator


def open_pair(folder: Path, tokenizer: "PreTrainedTokenizerBase") -> WrappedLM:
    """`coupled_lm` of a checkpoint.

    Raises:
        UserError: student, emulator, or the tokenizer's end-of-text token is missing.
    """
    held = part_settings(folder)
    if missing := {"student", "emulator"} - held.keys():
        raise UserError(
            f"{folder} holds the {' and '.join(held)} alone, and no {' or '.join(missing)}: only "
            "a coupled pair answers questions"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {folder} has no end-of-text token")
    question_end = separators(tokenizer).question
    return coupled_lm(open_student(folder), open_emulator(folder), question_end)


def open_teacher(folder: Path) -> "PreTrainedModel":
    """The language model of a checkpoint, in float32; a UserError if it is something else."""
    if part_settings(folder):
        raise UserError(f"{folder} holds no teacher: name a checkpoint with explicit CoT")
    description = read_description(folder)
    if description is not None and description.stage:
        raise UserError(
            f"{folder} is no teacher: {description.stage} tokens of its chain of thought are "
            "removed; name a checkpoint that writes the whole chain"
        )
    return load_pretrained(str(folder))


def find_outcome(given: str, part: str) -> Path:
    """The checkpoint folder of a teacher, student or emulator that was trained before.

    `given` is a checkpoint folder, or a run by folder or name.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = Path(given).expanduser()
    if not path.is_dir() and (runs_folder() / given).is_dir():
        path = runs_folder() / given
    if not path.is_dir():
        raise UserError(
            f"distillation.from_{part}: there is no checkpoint folder and no run '{given}'"
        )
    if (path / "checkpoints").is_dir():
        return _of_run(path / "checkpoints", part)
    refuse_damaged(path)
    return path


def _of_run(folder: Path, part: str) -> Path:
    """The best of the newest training that has the model."""
    newest, complaints = newest_verified(folder)
    if newest is None:
        raise UserError(". ".join([f"{folder.parent} has no whole checkpoint", *complaints]))
    outcome: str | None = newest.state()["run"].get("outcomes", {}).get(part)
    if outcome is not None and verify(folder / outcome) is None:
        return folder / outcome
    holding = [one for one in list_checkpoints(folder) if _holds(one, part)]
    last = next((one for one in reversed(holding) if verify(one.path) is None), None)
    if last is None:
        raise UserError(f"run {folder.parent.name} has no whole checkpoint with a {part}")
    best_step = last.state()["run"]["best"]["step"]
    named = best_checkpoint(folder, last.phase)
    # The state in the last checkpoint is from before its own evaluation.
    if named is not None and named.step in (best_step, last.step):
        return named.path
    for one in holding:
        if one.phase == last.phase and one.step == best_step and verify(one.path) is None:
            return one.path
    return last.path


def _holds(checkpoint: CheckpointPath, part: str) -> bool:
    try:
        held = part_settings(checkpoint.path)
    except UserError:  # damaged
        return False
    return not held if part == "teacher" else part in held


def load_published_student(folder: Path, base: Architecture) -> MindReadingStudent:
    """A published mind-reading student; arguments and errors as of `load_published`."""
    student = MindReadingStudent(blank_model(base))
    fill(student, _renamed(published_tensors(folder)), folder, base)
    return student


def load_published_emulator(folder: Path, base: Architecture) -> ThoughtEmulator:
    """A published thought emulator; arguments and errors as of `load_published`."""
    tensors = _renamed(published_tensors(folder))
    table = tensors.get("mixture_components.weight")
    if table is None or table.ndim != 2:
        raise UserError(f"{folder} is no published emulator: it has no mixture_components.weight")
    temperature = float(published_config(folder).get("softmax_temperature", 0.05))
    emulator = ThoughtEmulator(blank_model(base), len(table), temperature)
    fill(emulator, tensors, folder, base)
    return emulator


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published names as ours: `lm.` for the base model, an LSTM cell for an LSTM."""
    names = {name: re.sub(rf"^{re.escape(PREFIX)}", "lm.", name) for name in tensors}
    names |= {name: name.removesuffix("_l0") for name in tensors if name.startswith("rnn.")}
    return {names[name]: tensor for name, tensor in tensors.items()}
