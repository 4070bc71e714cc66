"""Building a model from its sizes, or loading any causal language model of transformers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psutil
import torch
from torch import nn

from icot_tui.config import ModelConfig
from icot_tui.errors import UserError
from icot_tui.formatting import count, gigabytes
from icot_tui.models.adapters import with_adapters
from icot_tui.models.behaviour import (
    COLUMNS,
    behaviour,
    has_dropout,
    kind,
    refuse_dead_words,
    runs,
)
from icot_tui.models.dropout import set_dropout
from icot_tui.models.loading import load_pretrained
from icot_tui.models.positions import extend_positions, has_position_table
from icot_tui.models.vocabulary import forget_pad_token, keep_words
from icot_tui.models.wrapped import unadapted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER = "lora_"
"""In the name of each of an adapter's weights."""


def build_model(
    config: ModelConfig,
    vocabulary: int,
    separator_id: int,
    positions: int,
    seed: int,
    may_grow: int = 0,
    kept: Sequence[int] | None = None,
) -> "PreTrainedModel":
    """A model ready for training, on the CPU.

    Args:
        config: the model section.
        vocabulary: number of the tokenizer's words.
        separator_id: the end-of-text token.
        positions: position ids that the data needs; a smaller table of a pretrained model is
            extended.
        seed: of the initial weights.
        may_grow: so many words may be new to a pretrained model: they begin as end-of-text.
        kept: the words that a pretrained model is left with, in their new order; None: all.

    Raises:
        UserError: unknown architecture, unreadable folder, vocabulary that does not fit, or a model
            that can't be trained or asked rightly (`behaviour`).
    """
    torch.manual_seed(seed)
    if config.pretrained is None:
        model = _from_scratch(config, vocabulary, separator_id, positions)
    else:
        model = load_pretrained(config.pretrained, config.dropout)
        _check_adapters(model, config, positions)
        extend_positions(unadapted(model), positions)
        if 0 < vocabulary - model.get_input_embeddings().weight.shape[0] <= may_grow:
            _grow_vocabulary(model, config, vocabulary, separator_id)
    if model.get_input_embeddings().weight.shape[0] < vocabulary:
        raise UserError(
            f"the tokenizer has {vocabulary} words, but the model {config.pretrained} has only "
            f"{model.get_input_embeddings().weight.shape[0]}: set data.tokenizer to the model's own"
        )
    if kept is not None and config.pretrained is not None:
        if is_adapted(model):
            raise UserError(
                f"{config.pretrained} holds adapters, whose base model keeps all its words: leave "
                "model.vocabulary out"
            )
        keep_words(model, kept)
        _mark_end(model, kept.index(separator_id))
    # Padding stands on the right and is never supervised, so that no mask is needed; told of a pad
    # token, transformers would look for it in every batch, and wait for the device.
    forget_pad_token(model.config)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.padding_idx = None  # else the separator, where it is the pad token, never learns
    behaviour(model, config.pretrained)
    refuse_dead_words(model)
    if config.dropout and not has_dropout(model):
        raise UserError(
            f"model.dropout = {config.dropout:g} has no effect on {kind(model)}: leave it out"
        )
    if config.precision == "bfloat16":
        # Buffers, such as rotary frequencies, stay exact; adapters in float32, as PEFT begins them.
        for name, parameter in model.named_parameters():
            if ADAPTER not in name:
                parameter.data = parameter.data.to(torch.bfloat16)
        if not runs(model):
            raise UserError(
                f"{kind(model)} cannot have weights in bfloat16: set model.precision to "
                "'bfloat16-mixed'"
            )
    if config.lora.rank and not is_adapted(model):
        model = with_adapters(model, config.lora)
    if config.gradient_checkpointing:
        if not getattr(model, "supports_gradient_checkpointing", True):
            raise UserError(f"{kind(model)} does not support model.gradient_checkpointing")
        newer_name = getattr(model, "activation_checkpointing_enable", None)
        (newer_name or model.gradient_checkpointing_enable)({"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def _mark_end(model: "PreTrainedModel", separator_id: int) -> None:
    """Name the end-of-text token in the model's configs, and no other token."""
    for config in filter(None, (model.config, model.generation_config)):
        config.bos_token_id = config.eos_token_id = separator_id
        forget_pad_token(config, separator_id)


def _from_scratch(
    config: ModelConfig, vocabulary: int, separator_id: int, positions: int
) -> "PreTrainedModel":
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "hidden_size": config.width,
        "max_position_embeddings": config.positions or max(positions, COLUMNS),
        "bos_token_id": separator_id,
        "eos_token_id": separator_id,
    }
    if sizes["max_position_embeddings"] < positions:
        raise UserError(
            f"the longest example needs {positions} positions, but model.positions is "
            f"{config.positions}: raise it, or leave it out"
        )
    try:
        blank = AutoConfig.for_model(config.architecture)
    except ValueError as error:
        raise UserError(
            f"model.architecture '{config.architecture}' is not known to transformers; "
            "'gpt2' and 'llama' are"
        ) from error
    try:
        full = _sized(blank, config, sizes)
        _refuse_more_than_memory(full)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(full)
    except Exception as error:  # of whatever kind: families check their sizes in their own ways
        reason = str(error).strip().partition("\n")[0]
        told = isinstance(error, MemoryError)
        if told or any(word in str(error) for word in ("allocate", "calculation overflowed")):
            size = f" ({reason})" if told and reason else ""
            lower = ", model.width or model.positions" if config.positions else " or model.width"
            raise UserError(
                f"there is no memory for a model of {count(config.layers, 'layer')} of width "
                f"{config.width:,}{size}: lower model.layers{lower}"
            ) from error
        if "Unrecognized configuration class" in reason:
            raise UserError(
                f"model.architecture '{config.architecture}' is no causal language model"
            ) from error
        raise UserError(
            f"model.architecture '{config.architecture}' cannot be made of these sizes ({reason}): "
            "save such a model with transformers, and set model.pretrained to its folder"
        ) from error
    return model


def _refuse_more_than_memory(full: Any) -> None:
    """Raise a MemoryError, before any is taken, if the weights alone are more than there is."""
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        weights = AutoModelForCausalLM.from_config(full).parameters()
        size = sum(one.numel() * one.element_size() for one in weights)
    if size > (room := psutil.virtual_memory().total):
        raise MemoryError(f"{gigabytes(size)} of weights, {gigabytes(room)} of memory")


def _sized(blank: Any, config: ModelConfig, sizes: dict[str, Any]) -> Any:
    """The architecture's config with our sizes; raises whatever it raises where they don't fit."""
    if hasattr(blank, "num_key_value_heads"):
        sizes["num_key_value_heads"] = config.heads
    if hasattr(blank, "intermediate_size"):
        sizes["intermediate_size"] = 4 * config.width
    if getattr(blank, "head_dim", None) is not None:
        sizes["head_dim"] = config.width // config.heads
    if (getattr(blank, "pad_token_id", None) or 0) >= sizes["vocab_size"]:
        sizes["pad_token_id"] = sizes["eos_token_id"]
    if config.initializer_range is not None:
        sizes["initializer_range"] = config.initializer_range
    if getattr(blank, "activation_function", None) == "gelu_new":
        sizes["activation_function"] = "gelu_pytorch_tanh"  # the same formula in one operation
    full = type(blank)(**sizes)
    set_dropout(full, config.dropout or 0.0)
    return full


def _grow_vocabulary(
    model: "PreTrainedModel", config: ModelConfig, vocabulary: int, separator_id: int
) -> None:
    """Rows for new words, in the embedding and the head, copied from that of end-of-text."""
    if config.lora.rank or is_adapted(model):
        raise UserError(
            "data.separator = 'own' gives the model new words, which adapters don't train: leave "
            "it out, or train all weights"
        )
    old = model.get_input_embeddings().weight.shape[0]
    model.resize_token_embeddings(vocabulary, mean_resizing=False)
    copy_rows(model, separator_id, slice(old, vocabulary))


@torch.no_grad()
def copy_rows(model: "PreTrainedModel", source: int, targets: slice) -> None:
    """Copy one word's rows of the embedding and the head, and its bias, to other words."""
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):
        module.weight[targets] = module.weight[source].clone()
        if getattr(module, "bias", None) is not None:
            module.bias[targets] = module.bias[source].clone()


def is_adapted(model: nn.Module) -> bool:
    """Does it hold LoRA adapters?"""
    return hasattr(model, "get_base_model")


def _check_adapters(model: "PreTrainedModel", config: ModelConfig, positions: int) -> None:
    """Refuse what adapters can't do: grow the position table, or change their own rank.

    Raises:
        UserError: one sentence on it.
    """
    if not config.lora.rank and not is_adapted(model):
        return
    has: int | None = getattr(model.config, "max_position_embeddings", None)
    if has is not None and has < positions and has_position_table(unadapted(model)):
        raise UserError(
            f"the data needs {positions} positions, but {config.pretrained} has {has}, and its "
            "position table can't grow under adapters: train all weights, without model.lora and "
            "without a folder of adapters"
        )
    if config.lora.rank and is_adapted(model):
        raise UserError(
            f"{config.pretrained} holds adapters already, of their own rank and scale: leave "
            "model.lora.rank out to go on training them"
        )
