"""Where the blocks of a causal language model are, whatever its family calls them."""

from typing import Any

from torch import nn

from icot_tui.errors import UserError

PROJECTIONS = ("c_proj", "o_proj", "out_proj", "dense")
"""Names of the layer that ends attention: its input is the output of all heads, side by side."""


def find_blocks(lm: nn.Module) -> tuple[nn.Module, nn.ModuleList]:
    """The module that holds the blocks, and the blocks: as many as the config has layers.

    Raises:
        UserError: there is no such list of modules.
    """
    layers = getattr(text_config(lm), "num_hidden_layers", None)
    for parent in lm.modules():
        for child in parent.children():
            if isinstance(child, nn.ModuleList) and len(child) == layers:
                return parent, child
    raise UserError(
        f"the blocks of a {type(lm).__name__} cannot be found, so its hidden states can't be read"
    )


def attention_projection(lm: nn.Module, block: int) -> nn.Module:
    """The output projection of a block's attention, which reads [B, L, heads * width of a head].

    Raises:
        UserError: there is not just one such layer.
    """
    found: list[nn.Module] = [
        module
        for name, module in find_blocks(lm)[1][block].named_modules()
        if "att" in name and name.rsplit(".", 1)[-1] in PROJECTIONS
    ]
    if len(found) != 1:
        raise UserError(
            f"the attention heads of a {type(lm).__name__} cannot be found, so they can't be read"
        )
    return found[0]


def text_config(lm: nn.Module) -> Any:
    """The part of a model's config that tells of its language model."""
    config: Any = lm.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config
