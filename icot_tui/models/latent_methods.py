"""Published checkpoints of latent reasoning: the language model in them, and what is left out.

Known are what the code of Coconut (arXiv 2412.06769), CODI (arXiv 2502.21074) and SIM-CoT
(arXiv 2509.20317) saves: one table of tensors with the modules of the method beside the model.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MODELS = ("base_causallm.", "codi.")
"""What Coconut and CODI put before the names of the language model."""
COPY = "embedding.weight"
"""Coconut's second name for the model's own embedding."""
MODULES = {
    "prj.": "CODI's projection of latent thoughts",
    "expainable_llm.": "SIM-CoT's decoder of latent thoughts",
    "decoder.": "SIM-CoT's decoder of latent thoughts",
    "pj_in.": "SIM-CoT's projection into its decoder",
    "pj_out.": "SIM-CoT's projection out of its decoder",
}
"""Modules of the methods, which no method here can use, by what their names begin with."""
ADAPTED = "base_model.model."
"""What PEFT puts before the names of a model with adapters."""
BASE, DOWN, UP = (".base_layer.", ".lora_A.default.", ".lora_B.default.")
COCONUT_TOKENS = ("<|start-latent|>", "<|end-latent|>", "<|latent|>")
"""Coconut's new tokens, in the order of their rows."""


@dataclass(frozen=True, kw_only=True)
class LatentCheckpoint:
    """A checkpoint with the methods' own modules taken away.

    Attributes:
        tensors: of the language model, by transformers' names, and its adapters by PEFT's.
        left_out: the modules that were taken away, in words.
        tokens: words that the method added to the vocabulary, as far as they have names.
    """

    tensors: dict[str, Tensor]
    left_out: tuple[str, ...]
    tokens: tuple[str, ...]


def split_latent(tensors: dict[str, Tensor]) -> LatentCheckpoint | None:
    """Take a checkpoint of latent reasoning apart; None if it is none.

    Raises:
        UserError: Coconut's copy of the embedding differs from the embedding.
    """
    prefix = next((one for one in MODELS if any(name.startswith(one) for name in tensors)), None)
    if prefix is None:
        return None
    parts: dict[str, list[Tensor]] = {}
    model: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        module = next((one for one in MODULES if name.startswith(one)), None)
        if module is not None:
            parts.setdefault(module, []).append(tensor)
        elif name != COPY:
            model[name.removeprefix(prefix).removeprefix(ADAPTED)] = tensor
    copy = tensors.get(COPY)
    if copy is not None and not any(_same(copy, one) for one in model.values()):
        raise UserError(f"the checkpoint's {COPY} is not the embedding of its language model")
    left_out = tuple(
        f"{MODULES[module]} ({module}*, {sum(one.numel() for one in found):,} values)"
        for module, found in parts.items()
    )
    tokens = COCONUT_TOKENS if prefix == MODELS[0] else ()
    return LatentCheckpoint(tensors=model, left_out=left_out, tokens=tokens)


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first, second)


def merge_adapters(
    tensors: dict[str, Tensor], model: "PreTrainedModel", alpha: float | None
) -> dict[str, Tensor]:
    """The tensors with their LoRA adapters added in: W + alpha / rank * B A.

    Args:
        tensors: by transformers' names, adapters by PEFT's.
        model: of the same architecture; it says which weights are stored the other way round.
        alpha: of the adapters, which such checkpoints don't hold.

    Raises:
        UserError: there are adapters, and no alpha.
    """
    from transformers.pytorch_utils import Conv1D

    downs = {name: tensor for name, tensor in tensors.items() if DOWN in name}
    if not downs:
        return tensors
    rank = min(tensor.shape[0] for tensor in downs.values())
    if alpha is None:
        raise UserError(
            f"the checkpoint holds LoRA adapters of rank {rank}, but not their alpha: give "
            "--lora-alpha (the scripts of CODI and SIM-CoT train with 32)"
        )
    merged = {
        name.replace(BASE, "."): tensor.float()
        for name, tensor in tensors.items()
        if DOWN not in name and UP not in name
    }
    for name, down in downs.items():
        target, up = name.replace(DOWN, "."), tensors.get(name.replace(DOWN, UP))
        if up is None or target not in merged:
            raise UserError(f"the checkpoint lacks what belongs to the adapter {name}")
        added = up.float() @ down.float() * (alpha / down.shape[0])
        turned = isinstance(model.get_submodule(target.rpartition(".")[0]), Conv1D)
        merged[target] = merged[target] + (added.T if turned else added)
    return merged
