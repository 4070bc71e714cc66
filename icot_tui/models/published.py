"""Reading the published checkpoints (method, section 7)."""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "base_model."
"""What the published code puts before transformers' names."""


def load_published(folder: Path, base: str) -> "PreTrainedModel":
    """A published ICoT-SI checkpoint, in float32.

    Args:
        folder: with `config.json` and `state_dict.bin`, whose keys are `base_model.` and
            transformers' names.
        base: folder or hub name with the architecture, which the checkpoint only names.

    Raises:
        UserError: files are missing, hold more than tensors, or don't fit the architecture.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    weights = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in read_tensors(folder / "state_dict.bin").items()
    }
    try:
        architecture = AutoConfig.from_pretrained(base, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no architecture can be read from '{base}'") from error
    model: PreTrainedModel = AutoModelForCausalLM.from_config(architecture)
    try:
        found = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise UserError(f"{folder} has other shapes than '{base}': {error}") from error
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    missing = [name for name in found.missing_keys if name not in tied]
    # Old versions of transformers saved the causal mask with the weights.
    unknown = [
        name
        for name in found.unexpected_keys
        if not name.endswith((".attn.bias", ".attn.masked_bias"))
    ]
    if missing or unknown:
        raise UserError(
            f"{folder} does not fit '{base}': missing {missing or 'nothing'}, "
            f"unknown {unknown or 'nothing'}"
        )
    return model


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a pickle, without running anything in it.

    Raises:
        UserError: the file is missing, damaged, or holds more than tensors.
    """
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UserError(f"{path} is damaged, or holds more than tensors") from error
    if not isinstance(tensors, dict):
        raise UserError(f"{path} holds no tensors by name")
    return tensors
