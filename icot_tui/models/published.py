"""Reading the published checkpoints.

ICoT-KD's student and emulator are read by `icot_tui.methods.distillation.checkpoints`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from icot_tui.errors import UserError
from icot_tui.models.latent_methods import LatentCheckpoint, merge_adapters
from icot_tui.models.loading import BUFFERS, read_tensors
from icot_tui.models.tensors import copy_tensors
from icot_tui.models.vocabulary import forget_pad_token

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "base_model."
"""What the published code puts before transformers' names."""
WEIGHTS = "state_dict.bin"
WEIGHT_FILES = (WEIGHTS, "*.safetensors", "pytorch_model*.bin", "*.pth", "*.pt", "checkpoint_*")
"""Where published weights are, in this order; the last is Coconut's, a number follows."""
WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes of DDP and `torch.compile`; taken off where all names share one."""

Kind = Literal["language model", "student", "emulator"]
Architecture = str | dict[str, Any]
"""A folder or hub name that has a config.json, or the content of one."""


def published_config(source: Path) -> dict[str, Any]:
    """What `config.json` says: `base_model`, `tokenizer_name`, and an emulator's settings.

    A checkpoint of latent reasoning may have none.

    Args:
        source: the checkpoint's folder, or its file of weights.

    Raises:
        UserError: it can't be read.
    """
    path = (source if source.is_dir() else source.parent) / "config.json"
    if not path.exists() and not (path.parent / WEIGHTS).exists() and weight_files(source):
        return {}
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{path} cannot be read ({reason}): a published checkpoint has it beside {WEIGHTS}"
        ) from error
    if not isinstance(config, dict):
        raise UserError(f"{path} is no checkpoint's config")
    return config


def published_kind(tensors: dict[str, Tensor]) -> Kind:
    """Which of the published models the tensors are."""
    if "mixture_components.weight" in tensors:
        return "emulator"
    return "student" if any(name.startswith("mlps.") for name in tensors) else "language model"


def weight_files(source: Path) -> list[Path]:
    """The files with a checkpoint's weights, several if it is sharded; the newest of epochs."""
    if source.is_file():
        return [source]
    for pattern in WEIGHT_FILES:
        found = [path for path in source.glob(pattern) if path.is_file()]
        if not found:
            continue
        epochs = [path for path in found if path.name.removeprefix("checkpoint_").isdecimal()]
        newest = sorted(epochs, key=lambda path: int(path.name.removeprefix("checkpoint_")))
        return newest[-1:] or sorted(found)
    return []


def published_tensors(source: Path) -> dict[str, Tensor]:
    """The tensors of a published checkpoint, without the prefixes of wrappers.

    Raises:
        UserError: as `read_tensors`.
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(source) or [source / WEIGHTS]:
        tensors |= read_tensors(path)
    while shared := [one for one in WRAPPERS if all(name.startswith(one) for name in tensors)]:
        tensors = {name.removeprefix(shared[0]): tensor for name, tensor in tensors.items()}
    return tensors


def load_published(folder: Path, base: Architecture) -> "PreTrainedModel":
    """A published ICoT-SI checkpoint, or ICoT-KD's teacher, in float32.

    The keys of its tensors are `base_model.` and transformers' names; most checkpoints only name
    their architecture, `base`.

    Raises:
        UserError: files are missing, hold more than tensors, or do not fit the architecture.
    """
    tensors = published_tensors(folder)
    lm = blank_model(base)
    fill(lm, {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}, folder, base)
    return lm


def load_latent(
    checkpoint: LatentCheckpoint, source: Path, base: Architecture, alpha: float | None
) -> "PreTrainedModel":
    """The language model of a checkpoint of latent reasoning, in float32, adapters merged.

    Its vocabulary is as large as the checkpoint's: the methods add tokens to the base model's.

    Args:
        checkpoint: what `split_latent` made of it.
        source: where it was read from, for errors.
        base: the architecture.
        alpha: of its adapters, if it has any.

    Raises:
        UserError: adapters without alpha, or tensors that don't fit the architecture.
    """
    lm = blank_model(base)
    words = lm.get_input_embeddings().weight
    names = [name for name, one in lm.named_parameters(remove_duplicate=False) if one is words]
    rows = max((len(checkpoint.tensors[n]) for n in names if n in checkpoint.tensors), default=0)
    if rows:
        lm.resize_token_embeddings(rows, mean_resizing=False)
    fill(lm, merge_adapters(checkpoint.tensors, lm, alpha), source, base)
    return lm


def blank_model(base: Architecture) -> "PreTrainedModel":
    """A model of an architecture, with weights to be replaced; a UserError if there is none."""
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        if isinstance(base, str):
            architecture = AutoConfig.from_pretrained(base, trust_remote_code=False)
        else:
            architecture = AutoConfig.for_model(**base)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(architecture)
    except Exception as error:  # of whatever kind: configs from elsewhere hold anything
        raise UserError(
            f"no architecture can be read from '{_named(base)}': name a folder that holds its "
            "config.json"
        ) from error
    forget_pad_token(model.config)
    return model


def _named(base: Architecture) -> str:
    return base if isinstance(base, str) else str(base.get("model_type", "the config"))


def fill(module: nn.Module, tensors: dict[str, Tensor], folder: Path, base: Architecture) -> None:
    """Copy published tensors into a module of the architecture `base`; errors as `copy_tensors`."""
    own = module.state_dict().keys()
    known = {n: tensor for n, tensor in tensors.items() if n in own or not n.endswith(BUFFERS)}
    copy_tensors(module, known, folder, f"'{_named(base)}'")
