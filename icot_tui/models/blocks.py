"""Where the blocks of a causal language model are, whatever its family calls them."""

from typing import Any

import torch
from torch import nn

from icot_tui.errors import UserError
from icot_tui.models.wrapped import taken, unadapted

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


class _SeenError(Exception):
    """Ends a forward pass at the first block."""


@torch.no_grad()
def refuse_other_states(lm: nn.Module, blocks: nn.ModuleList) -> None:
    """Refuse a model whose blocks hand on anything but one state a token, [R, L, H].

    Gemma 3n's hand on several of each token at once, [copies, R, L, H].

    Raises:
        UserError: they do.
    """
    bare = unadapted(lm)
    rows, columns = 2, 3
    shapes: list[tuple[int, ...]] = []

    def see(module: nn.Module, args: Any, kwargs: Any) -> None:
        states = args[0] if args else kwargs.get("hidden_states")
        shapes.append(() if states is None else tuple(states.shape))
        raise _SeenError

    ids = torch.zeros(rows, columns, dtype=torch.long, device=bare.device)
    training, hook = bare.training, blocks[0].register_forward_pre_hook(see, with_kwargs=True)
    try:
        bare.eval()(input_ids=ids, **taken(bare, {"use_cache": False}))
    except _SeenError:
        pass
    finally:
        hook.remove()
        bare.train(training)
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][:2] != (rows, columns):
        raise UserError(
            f"the blocks of a {type(bare).__name__} do not hand on one state a token, so its "
            "hidden states can't be read or replaced"
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
