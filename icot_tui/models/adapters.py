"""LoRA adapters: on modules where they do what they are for, and which modules have none."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import nn

from icot_tui.config.sections import LoraConfig
from icot_tui.errors import UserError
from icot_tui.formatting import listed, percent
from icot_tui.models.behaviour import kind, plain_model, runs

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

WRAPPED = "base_layer"
"""What PEFT calls the module within an adapted one."""


def with_adapters(model: "PreTrainedModel", lora: LoraConfig) -> "PeftModel":
    """A model with new adapters, in place; "all-linear" leaves out what it never calls.

    Raises:
        UserError: the rank is above its own, it lacks modules of these names, can't be called with
            adapters on them, or never calls them.
    """
    from peft import LoraConfig as PeftLoraConfig
    from peft import TaskType, get_peft_model
    from transformers.pytorch_utils import Conv1D

    full = max(min(weight.shape) for weight in model.parameters() if weight.ndim == 2)
    if lora.rank > full:
        raise UserError(
            f"model.lora.rank is {lora.rank:,}, but no matrix of this model has a rank above "
            f"{full:,}: lower it, or train all weights"
        )
    adapters = PeftLoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets or None,
        exclude_modules=uncalled(model) or None if lora.targets == "all-linear" else None,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    try:
        adapted = get_peft_model(model, adapters)
    except ValueError as error:
        reason = str(error).replace("target_modules", "model.lora.targets").rstrip(".")
        raise UserError(f"model.lora does not fit this model: {reason}") from error
    if not runs(adapted):  # the experts of some families are no modules of their own
        raise UserError(
            f"{kind(model)} cannot be called with adapters on these modules: name others in "
            "model.lora.targets"
        )
    refuse_uncalled(adapted, "name others in model.lora.targets")
    return adapted


def uncalled(model: "PreTrainedModel") -> list[str]:
    """Names of linear layers and adapted modules that a pass never calls; none if it fails.

    Some of Mamba's kin read the weights of such a layer themselves.
    """
    called = set()
    parts = {name: one for name, one in model.named_modules() if _linear(one) or _adapted(one)}
    hooks = [
        one.register_forward_pre_hook(lambda one, _: called.add(one)) for one in parts.values()
    ]
    whole = runs(model)
    for hook in hooks:
        hook.remove()
    return [name for name, one in parts.items() if whole and one not in called]


def refuse_uncalled(model: "PeftModel", advice: str) -> None:
    """Refuse adapters without an effect, which a merged model would have.

    See findings/peft-adapters-that-nothing-reads.sh.

    Raises:
        UserError: some are on modules that are never called.
    """
    parts = dict(model.named_modules())
    idle = {_last(name) for name in uncalled(model) if _adapted(parts[name])}
    if idle:
        raise UserError(
            f"adapters on {listed(sorted(idle))} do nothing in {kind(model)}, which never calls "
            f"these modules: {advice}"
        )


def bare_modules(lm: nn.Module, lora: LoraConfig) -> Iterator[str]:
    """A warning, if modules that `targets` names have no adapters, or any experts with all-linear.

    PEFT puts those of some names on other modules (findings/peft-names-become-experts.sh).
    """
    if not lora.rank or not lora.targets:
        return
    model = plain_model(lm)
    bare = {
        name: one
        for name, one in model.named_modules()
        if WRAPPED not in name
        and "lora_" not in name
        and one is not model.get_output_embeddings()
        and _named(name, one, lora.targets)
    }
    if bare:
        sizes = [sum(p.numel() for p in one.parameters(recurse=False)) for one in bare.values()]
        whole = sum(p.numel() for name, p in model.named_parameters() if "lora_" not in name)
        names = sorted({re.sub(r"\.\d+(?=\.|$)", ".*", name) for name in bare})
        yield (
            f"no adapters are on {listed(names)}, {percent(sum(sizes) / whole)} of the weights, "
            f"although model.lora.targets is {lora.targets!r}"
        )


def _named(name: str, module: nn.Module, targets: Any) -> bool:
    if targets == "all-linear":
        return _linear(module) or _experts(module)
    return _linear(module) and any(f".{name}".endswith(f".{target}") for target in targets)


def _linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (nn.Linear, Conv1D))


def _experts(module: nn.Module) -> bool:
    """Does it hold stacks of matrices [E, out, in]?"""
    own = module.parameters(recurse=False)
    return any(weight.ndim == 3 and min(weight.shape) > 1 for weight in own)


def _adapted(module: nn.Module) -> bool:
    return hasattr(module, WRAPPED)


def _last(name: str) -> str:
    """`gate_proj` of `model.layers.0.mlp.gate_proj`."""
    return next(part for part in reversed(name.split(".")) if part != WRAPPED)
