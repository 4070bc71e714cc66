"""Checkpoints of distillation: the models that it trains, each in a folder of its own.

step-00003000-4-coupled/
  student/ emulator/     each: config.json and model.safetensors as transformers writes them,
                         and thoughts.safetensors with what reads or foretells thoughts
  distillation.json      which models there are, and the emulator's settings
  tokenizer files
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from icot_tui.engine.checkpoints.checkpoint import PARTS, THOUGHTS, load_tensors, save_tensors
from icot_tui.engine.checkpoints.weights import load_weights
from icot_tui.errors import UserError
from icot_tui.methods.distillation.emulator import ThoughtEmulator
from icot_tui.methods.distillation.student import MindReadingStudent
from icot_tui.methods.distillation.thinking import ThinkingLM
from icot_tui.models.build import load_pretrained
from icot_tui.models.tensors import copy_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Part = MindReadingStudent | ThoughtEmulator
_LM = "lm."


class PartsWeights:
    """Student, emulator or both, as one checkpoint; see `Weights`.

    Args:
        parts: "student" and "emulator", or one of them.
    """

    def __init__(self, parts: dict[str, Part]) -> None:
        self.module = nn.ModuleDict(parts)
        self._parts = parts

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """See `Weights`."""
        for name, part in self._parts.items():
            prefix, home = f"{name}.", folder / name
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            lm = {k.removeprefix(_LM): v for k, v in own.items() if k.startswith(_LM)}
            part.lm.save_pretrained(home, state_dict=lm)
            rest = {k: v for k, v in own.items() if not k.startswith(_LM)}
            save_tensors(rest, home / THOUGHTS)
        settings = {name: _settings(part) for name, part in self._parts.items()}
        (folder / PARTS).write_text(json.dumps(settings, indent=1))

    def read(self, folder: Path) -> None:
        """See `Weights`."""
        for name, part in self._parts.items():
            fill_part(part, folder / name)


def _settings(part: Part) -> dict[str, Any]:
    if isinstance(part, MindReadingStudent):
        return {}
    return {
        "mixture_components": part.mixture_components.num_embeddings,
        "temperature": part.temperature,
    }


def fill_part(part: Part, folder: Path) -> None:
    """Copy one saved model into one of the same shape, in place.

    Raises:
        UserError: it doesn't fit.
    """
    load_weights(part.lm, folder)
    rest = load_tensors(folder / THOUGHTS)
    own = nn.ModuleDict({name: child for name, child in part.named_children() if name != "lm"})
    copy_tensors(own, rest, folder)


def part_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """What a checkpoint of distillation holds: the settings by model; empty for any other folder.

    Raises:
        UserError: its file can't be read.
    """
    path = folder / PARTS
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_text())
        known = {name: dict(settings[name]) for name in ("student", "emulator") if name in settings}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    return known


def open_student(folder: Path) -> MindReadingStudent:
    """The mind-reading student of a checkpoint, in float32.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if "student" not in part_settings(folder):
        raise UserError(f"{folder} holds no mind-reading student")
    student = MindReadingStudent(load_pretrained(str(folder / "student")))
    fill_part(student, folder / "student")
    return student


def open_emulator(folder: Path) -> ThoughtEmulator:
    """The thought emulator of a checkpoint, in float32.

    Raises:
        UserError: there is none, or it is damaged.
    """
    settings = part_settings(folder).get("emulator")
    if settings is None:
        raise UserError(f"{folder} holds no thought emulator")
    lm = load_pretrained(str(folder / "emulator"))
    try:
        emulator = ThoughtEmulator(lm, settings["mixture_components"], settings["temperature"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / PARTS} lacks the emulator's settings") from error
    fill_part(emulator, folder / "emulator")
    return emulator


def open_pair(folder: Path, tokenizer: "PreTrainedTokenizerBase") -> ThinkingLM:
    """Student and emulator as one language model that answers without a written thought.

    Raises:
        UserError: one of them is missing.
    """
    held = part_settings(folder)
    if missing := {"student", "emulator"} - held.keys():
        raise UserError(
            f"{folder} holds the {' and '.join(held)} alone, and no {' or '.join(missing)}: only "
            "a coupled pair answers questions"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {folder} has no end-of-text token")
    return ThinkingLM(open_student(folder), open_emulator(folder), int(tokenizer.eos_token_id))


def open_teacher(folder: Path) -> "PreTrainedModel":
    """The language model of a checkpoint, in float32.

    Raises:
        UserError: it is none.
    """
    if part_settings(folder):
        raise UserError(f"{folder} holds no teacher: name a checkpoint with explicit CoT")
    return load_pretrained(str(folder))
