"""Causal language models from folders and the hub. No weight is ever invented: what a file lacks,
holds besides, or has in another shape is an error that names it.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError, first_line
from icot_tui.files import refuse_lfs_pointer, refuse_odd_files
from icot_tui.models.adapters import refuse_uncalled
from icot_tui.models.behaviour import behaviour, forget_behaviour
from icot_tui.models.dropout import set_dropout
from icot_tui.models.tensors import refuse_misfits, shape, wrong_shapes
from icot_tui.models.vocabulary import tell_own_head
from icot_tui.models.wrapped import unadapted

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER_CONFIG = "adapter_config.json"
WEIGHT_FILES = ("model*.safetensors", "pytorch_model*.bin", "adapter_model.*")
READ_FILES = (*WEIGHT_FILES, "config.json", "tokenizer*", ADAPTER_CONFIG)
BUFFERS = (
    *(".attn.bias", ".attn.masked_bias", ".attn.attention.bias", ".attn.attention.masked_bias"),
    *(".attn.causal_mask", ".rotary_emb.inv_freq"),
)
"""Of constant values, which older versions of transformers saved with the weights."""

OUTPUTS = {"output_attentions": False, "output_hidden_states": False, "return_dict": True}
"""Of a model by default, whatever its config wants: with attentions, transformers 5.23 refuses to
save a config that it read; and without a dictionary its models can't be called."""


def load_pretrained(name: str, dropout: float | None = None) -> "PreTrainedModel":
    """A causal language model from a folder or the hub, in float32, never with remote code.

    A folder of LoRA adapters gives its base model with the adapters in it, as a trainable
    `PeftModel`.

    Args:
        name: folder, or name on the hub.
        dropout: probability of every dropout, adapters' included; None: the model's own.

    Raises:
        UserError: it can't be found or read, is no decoder, or its weights aren't exactly those
            of its architecture.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        refuse_odd_files(folder)
        for path in (found for pattern in READ_FILES for found in folder.glob(pattern)):
            refuse_lfs_pointer(path)
    elif is_path(name):
        raise UserError(f"no causal language model can be read: there is no folder {name}")
    if (folder / ADAPTER_CONFIG).is_file():
        return _with_saved_adapters(folder, dropout)
    return whole_model(str(folder) if folder.is_dir() else name, dropout=dropout)


def is_path(name: str) -> bool:
    """Does it name a folder, rather than a model on the hub?"""
    return name.startswith((".", "~", "/"))


def whole_model(
    name: str,
    dtype: torch.dtype = torch.float32,
    *,
    known: bool = False,
    dropout: float | None = None,
) -> "PreTrainedModel":
    """As `load_pretrained`, where there are no adapters; a `known` model is not tried."""
    from transformers import AutoConfig, AutoModelForCausalLM

    architecture = _read(lambda: AutoConfig.from_pretrained(name, trust_remote_code=False), name)
    quantization = getattr(architecture, "quantization_config", None)
    if quantization is not None:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise UserError(
            f"the weights of '{name}' are quantized ({method or 'in a format of their own'}): "
            "give a model with its full weights"
        )
    if dropout is not None:
        set_dropout(architecture, dropout)
    for output, wanted in OUTPUTS.items():
        setattr(architecture, output, wanted)
    model, report = _read(
        lambda: AutoModelForCausalLM.from_pretrained(
            name,
            config=architecture,
            dtype=dtype,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # reported, and refused below with their names
            output_loading_info=True,
        ),
        name,
    )
    wrong = [
        f"{key} is {shape(saved)} instead of {shape(own)}"
        for key, saved, own in sorted(report["mismatched_keys"])
    ]
    unknown = [key for key in report["unexpected_keys"] if not key.endswith(BUFFERS)]
    refuse_misfits(name, "its architecture", report["missing_keys"], unknown, wrong)
    if report["error_msgs"]:
        raise UserError(f"'{name}' cannot be read: {first_line(report['error_msgs'][0])}")
    tell_own_head(model)
    if not known:
        behaviour(model, name)
    loaded: PreTrainedModel = model
    return loaded


def _read(load: Callable[[], Any], name: str) -> Any:
    """What `load` returns; whatever it raises becomes one sentence with the file at fault."""
    try:
        return load()
    except Exception as error:  # of whatever kind: so it is with damaged files
        reason = next(damaged_files(Path(name)), None) or first_line(error)
        raise UserError(f"no causal language model can be read from '{name}': {reason}") from error


def damaged_files(folder: Path) -> Iterator[str]:
    """Weight files of a folder that can't be read, each with the reason."""
    from safetensors import safe_open

    for pattern in WEIGHT_FILES:
        for path in sorted(folder.glob(pattern)) if folder.is_dir() else ():
            try:
                if path.suffix == ".safetensors":
                    with safe_open(path, "pt"):
                        pass
                else:
                    read_tensors(path)
            except UserError as error:
                yield str(error)
            except Exception as error:  # safetensors has a class of its own
                yield f"{path.name} is damaged ({first_line(error)})"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file or a pickle, without running anything in it.

    A pickle may hold other plain values beside one table of tensors.

    Raises:
        UserError: the file is missing, damaged, or holds more than tensors.
    """
    from safetensors.torch import load_file

    refuse_lfs_pointer(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except Exception as error:  # of whatever kind: so it is with damaged pickles
        raise UserError(f"{path} is damaged, or holds more than tensors") from error
    inner = tensors.values() if isinstance(tensors, dict) else ()
    tables = [one for one in (tensors, *inner) if _is_table(one)]
    if len(tables) != 1:
        raise UserError(
            f"{path} holds {'no' if not tables else 'several tables of'} tensors by name"
        )
    found: dict[str, Tensor] = tables[0]
    return found


def _is_table(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(key, str) and isinstance(one, Tensor) for key, one in value.items())
    )


# Adapters ---------------------------------------------------------------------------------


def _with_saved_adapters(folder: Path, dropout: float | None) -> "PeftModel":
    """A base model with the adapters of a folder, their rank and scale as saved, trainable."""
    from peft import PeftConfig, get_peft_model

    config = _read(lambda: PeftConfig.from_pretrained(str(folder)), str(folder))
    _refuse_other_adapters(folder, config)
    base = whole_model(_base_of(folder, config.base_model_name_or_path), dropout=dropout)
    if dropout is not None:
        config.lora_dropout = dropout
    config.base_model_name_or_path = base.name_or_path
    config.inference_mode = False
    model: PeftModel = _read(lambda: get_peft_model(base, config), str(folder))
    refuse_uncalled(model, f"{folder} can't be used")
    fill_adapters(model, folder)
    forget_behaviour(model)
    behaviour(model, str(folder))
    return model


def _refuse_other_adapters(folder: Path, config: Any) -> None:
    """Raise a UserError for adapters that would be another model here.

    See findings/peft-pissa-loads-another-model.sh.
    """
    if config.is_prompt_learning:
        raise UserError(
            f"{folder} holds {config.peft_type.value}, which is read before the question: only "
            "adapters within the model are known, as LoRA's"
        )
    if getattr(config, "alora_invocation_tokens", None):
        raise UserError(
            f"{folder} holds adapters that wait for some tokens (alora_invocation_tokens): only "
            "such as always act are known"
        )
    settings = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    unknown = [key for key, value in settings.items() if value and not hasattr(config, key)]
    if unknown:
        raise UserError(
            f"the adapters in {folder} have settings that the installed version of PEFT does not "
            f"know ({', '.join(unknown)}): use a newer one"
        )
    start = str(getattr(config, "init_lora_weights", ""))
    if start.startswith("pissa_niter"):
        raise UserError(
            f"the adapters in {folder} belong to what a random decomposition left of the base "
            f"model ({start}), which is another one each time: save them with PEFT's "
            "path_initial_model_for_weight_conversion"
        )


def _base_of(folder: Path, name: str | None) -> str:
    """The base model of a folder of adapters: a hub name, or a folder, relative to it or not."""
    if not name:
        raise UserError(f"{folder / ADAPTER_CONFIG} names no base model (base_model_name_or_path)")
    for path in (folder / name, Path(name).expanduser()):
        if path.is_dir():
            return str(path)
    if is_path(name):
        raise UserError(f"the base model of the adapters in {folder}, '{name}', is not there")
    return name


def fill_adapters(model: "PeftModel", folder: Path) -> None:
    """Copy a folder's adapters into a model that has exactly these.

    Raises:
        UserError: names are missing or unknown, or shapes differ.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    saved = _adapter_tensors(folder)
    own = get_peft_model_state_dict(model)
    missing, unknown = own.keys() - saved.keys(), saved.keys() - own.keys()
    refuse_misfits(folder, "its base model", missing, unknown, wrong_shapes(saved, own))
    set_peft_model_state_dict(model, saved)


def merged(model: "PeftModel") -> "PreTrainedModel":
    """A model with its adapters' values in its own weights; it answers as it did with them.

    PEFT would merge the adapter of one module into the weights of all that share them
    (findings/peft-merges-into-tied-weights.sh): each gets its own before.

    Raises:
        UserError: adapters of this kind are no change of the weights.
    """
    _part_weights(unadapted(model))
    try:
        whole: PreTrainedModel = model.merge_and_unload()
    except Exception as error:  # of whatever kind: so it is with what can't be merged
        raise UserError(
            f"the adapters can't be merged into the model: {first_line(error)}"
        ) from error
    tell_own_head(whole)
    return whole


def _part_weights(base: "PreTrainedModel") -> None:
    """Weights of its own for each module; but for a head without adapters on words without."""
    parts = base.get_input_embeddings(), base.get_output_embeddings()
    adapted = any(hasattr(part, "base_layer") for part in parts)
    seen: set[int] = set()
    for module in base.modules():
        for name, weight in [*module.named_parameters(recurse=False)]:
            if id(weight) in seen and (adapted or module is not parts[1]):
                setattr(module, name, nn.Parameter(weight.clone(), weight.requires_grad))
            seen.add(id(weight))


def _adapter_tensors(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    path = folder / "adapter_model.safetensors"
    if path.is_file():
        tensors: dict[str, Tensor] = _read(lambda: load_file(path), str(folder))
        return tensors
    return read_tensors(folder / "adapter_model.bin")
