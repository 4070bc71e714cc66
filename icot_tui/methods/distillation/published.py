"""Reading the published student and emulator (method, section 7)."""

from pathlib import Path

from torch import Tensor

from icot_tui.errors import UserError
from icot_tui.methods.distillation.emulator import ThoughtEmulator
from icot_tui.methods.distillation.student import MindReadingStudent
from icot_tui.models.published import (
    PREFIX,
    WEIGHTS,
    blank_model,
    fill,
    published_config,
    read_tensors,
)


def load_published_student(folder: Path, base: str) -> MindReadingStudent:
    """A published mind-reading student; arguments and errors as of `load_published`."""
    student = MindReadingStudent(blank_model(base))
    fill(student, _renamed(read_tensors(folder / WEIGHTS)), folder, base)
    return student


def load_published_emulator(folder: Path, base: str) -> ThoughtEmulator:
    """A published thought emulator; arguments and errors as of `load_published`."""
    tensors = _renamed(read_tensors(folder / WEIGHTS))
    table = tensors.get("mixture_components.weight")
    if table is None or table.ndim != 2:
        raise UserError(f"{folder} is no published emulator: it has no mixture_components.weight")
    temperature = float(published_config(folder).get("softmax_temperature", 0.05))
    emulator = ThoughtEmulator(blank_model(base), len(table), temperature)
    fill(emulator, tensors, folder, base)
    return emulator


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published names as ours: `lm.` for the base model, an LSTM cell for an LSTM."""
    return {
        name.replace(PREFIX, "lm.", 1)
        if name.startswith(PREFIX)
        else name.removesuffix("_l0")
        if name.startswith("rnn.")
        else name: tensor
        for name, tensor in tensors.items()
    }
