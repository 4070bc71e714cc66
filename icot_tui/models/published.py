"""Reading the published checkpoints (method, section 7).

ICoT-KD's student and emulator are read by `icot_tui.methods.distillation.published`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "base_model."
"""What the published code puts before transformers' names."""
WEIGHTS = "state_dict.bin"
SHOWN = 8
"""Names of a kind that an error lists."""

Kind = Literal["language model", "student", "emulator"]


def published_config(folder: Path) -> dict[str, Any]:
    """What `config.json` says: `base_model`, `tokenizer_name`, and an emulator's settings.

    Raises:
        UserError: it can't be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'config.json'} cannot be read: {error}") from error
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
    """Copy tensors into a module that has exactly these.

    Raises:
        UserError: names are missing or unknown, or shapes differ; all kinds are listed.
    """
    ours = module.state_dict(keep_vars=True)
    # Old versions of transformers saved the causal mask with the weights.
    unknown = [
        name
        for name in tensors
        if name not in ours and not name.endswith((".attn.bias", ".attn.masked_bias"))
    ]
    given = {id(ours[name]) for name in tensors if name in ours}
    missing = [name for name, value in ours.items() if id(value) not in given]
    wrong = [
        f"{name} is {_shape(tensors[name])} instead of {_shape(value)}"
        for name, value in ours.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if missing or unknown or wrong:
        raise UserError(
            f"{folder} does not fit '{base}': missing {_some(missing)}; unknown {_some(unknown)}; "
            f"wrong shapes {_some(wrong)}"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name in ours:
                ours[name].copy_(tensor)


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a scalar"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more
