"""The mind-reading student: answers at once, from thoughts put into its blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor, nn

from icot_tui.methods.distillation.blocks import decoder_blocks, edited_inputs, with_states

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class MindReadingStudent(nn.Module):
    """A language model, and for each block an MLP H -> 4H -> H that reads a thought.

    Args:
        lm: the model that answers.
    """

    def __init__(self, lm: "PreTrainedModel") -> None:
        super().__init__()
        width = lm.config.hidden_size
        self.lm = lm
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
            for _ in decoder_blocks(lm)
        ).to(dtype=lm.dtype)

    @contextmanager
    def reading(self, thoughts: Tensor, positions: Tensor) -> Iterator[None]:
        """Within it, the input of block l at each row's position [B] is MLP_l(thoughts[:, l])."""

        def put(number: int, hidden: Tensor) -> Tensor:
            thought = thoughts[:, number].to(self.lm.dtype)
            return with_states(hidden, positions, self.mlps[number](thought))

        with edited_inputs(decoder_blocks(self.lm), put):
            yield
