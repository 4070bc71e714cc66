"""Reading the published checkpoints.

ICoT-KD's student and emulator are read by `icot_tui.methods.distillation.checkpoints`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError
from icot_tui.models.tensors import copy_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "base_model."
"""What the published code puts before transformers' names."""
WEIGHTS = "state_dict.bin"
MASKS = (".attn.bias", ".attn.masked_bias")
"""Old versions of transformers saved the causal mask with the weights."""

Kind = Literal["language model", "student", "emulator"]


def published_config(folder: Path) -> dict[str, Any]:
    """What `config.json` says: `base_model`, `tokenizer_name`, and an emulator's settings.

    Raises:
        UserError: it can't be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{folder / 'config.json'} cannot be read ({said}): a published checkpoint has it "
            f"beside {WEIGHTS}"
        ) from error
    if not isinstance(config, dict):
        raise UserError(f"{folder / 'config.json'} is no checkpoint's config")
    return config


def published_kind(tensors: dict[str, Tensor]) -> Kind:
    """Which of the published models the tensors are."""
    if "mixture_components.weight" in tensors:
        return "emulator"
    return "student" if any(name.startswith("mlps.") for name in tensors) else "language model"


def load_published(folder: Path, base: str) -> "PreTrainedModel":
    """A published ICoT-SI checkpoint, or ICoT-KD's teacher, in float32.

    Args:
        folder: with `config.json` and `state_dict.bin`, whose keys are `base_model.` and
            transformers' names.
        base: folder or hub name with the architecture, which the checkpoint only names.

    Raises:
        UserError: files are missing, hold more than tensors, or don't fit the architecture.
    """
    tensors = read_tensors(folder / WEIGHTS)
    lm = blank_model(base)
    fill(lm, {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}, folder, base)
    return lm


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a pickle, without running anything in it.

    Raises:
        UserError: the file is missing, damaged, or holds more than tensors.
    """
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except Exception as error:  # of whatever kind: so it is with damaged pickles
        raise UserError(f"{path} is damaged, or holds more than tensors") from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    ):
        raise UserError(f"{path} holds no tensors by name")
    return tensors


def blank_model(base: str) -> "PreTrainedModel":
    """A model of the architecture that a folder or hub name has, with weights to be replaced.

    Raises:
        UserError: there is none.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        architecture = AutoConfig.from_pretrained(base, trust_remote_code=False)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(architecture)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no architecture can be read from '{base}': name a folder that holds its config.json"
        ) from error
    model.config.pad_token_id = None
    return model


def fill(module: nn.Module, tensors: dict[str, Tensor], folder: Path, base: str) -> None:
    """Copy published tensors into a module of the architecture `base`; errors as `copy_tensors`."""
    own = module.state_dict().keys()
    known = {n: tensor for n, tensor in tensors.items() if n in own or not n.endswith(MASKS)}
    copy_tensors(module, known, folder, f"'{base}'")
