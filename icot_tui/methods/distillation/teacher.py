"""The teacher's thoughts: hidden states of a model that writes its chain of thought."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from icot_tui.methods.distillation.blocks import EnoughSeen, decoder_blocks, edited_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def teacher_states(
    teacher: "PreTrainedModel", ids: Tensor, positions: Tensor, blocks: list[int]
) -> Tensor:
    """[B, L, H] float32, each state with mean 0 and variance 1 (method, section 5.2).

    Args:
        teacher: in evaluation mode.
        ids: [B, C] ` {x} SEP {z} SEP`, padded on the right; what follows is not needed.
        positions: [B, L] see `StatePositions.positions`.
        blocks: [L] see `StatePositions.blocks`.
    """
    rows = torch.arange(len(ids), device=ids.device)
    found: list[Tensor | None] = [None] * len(blocks)

    def take(number: int, hidden: Tensor) -> None:
        for place, block in enumerate(blocks):
            if block == number:
                found[place] = hidden[rows, positions[:, place]]
        if number == max(blocks):
            raise EnoughSeen

    with edited_inputs(decoder_blocks(teacher), take):
        teacher.base_model(ids, use_cache=False)
    states = torch.stack([state for state in found if state is not None], dim=1)
    return F.layer_norm(states.float(), states.shape[-1:])
