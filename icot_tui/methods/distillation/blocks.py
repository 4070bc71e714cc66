"""Reading and replacing the inputs of a decoder's blocks, in any family of transformers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Edit = Callable[[int, Tensor], Tensor | None]
"""Called with a block's number and its input [B, C, H]; gives another input, or None."""


class EnoughSeen(Exception):
    """Raised by an edit that needs nothing of what the decoder would do next."""


def decoder_blocks(lm: "PreTrainedModel") -> nn.ModuleList:
    """The blocks in order: the outermost list of modules that is as long as the model is deep.

    Raises:
        UserError: there is none.
    """
    depth = lm.config.num_hidden_layers
    for module in lm.modules():  # outer ones first
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise UserError(
        f"the blocks of {type(lm).__name__} were not found: distillation needs a decoder whose "
        "blocks stand in one list"
    )


@contextmanager
def edited_inputs(blocks: nn.ModuleList, edit: Edit) -> Iterator[None]:
    """Within it every forward pass shows each block's input to `edit`, which may replace it."""
    hooks = [
        block.register_forward_pre_hook(partial(_show, edit, number), with_kwargs=True)
        for number, block in enumerate(blocks)
    ]
    try:
        yield
    except EnoughSeen:
        pass
    finally:
        for hook in hooks:
            hook.remove()


def _show(
    edit: Edit, number: int, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    hidden = args[0] if args else kwargs["hidden_states"]
    replaced = edit(number, hidden)
    if replaced is None:
        return None
    if args:
        return (replaced, *args[1:]), kwargs
    return args, kwargs | {"hidden_states": replaced}


def at_positions(hidden: Tensor, positions: Tensor) -> Tensor:
    """[B, H]: the state of each row of [B, C, H] at its position [B]."""
    return hidden[torch.arange(len(hidden), device=hidden.device), positions]


def with_states(hidden: Tensor, positions: Tensor, states: Tensor) -> Tensor:
    """[B, C, H] with the state of each row at its position [B] replaced by [B, H]."""
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden.index_put((rows, positions), states.to(hidden.dtype))
