"""The thought emulator: foretells the teacher's thoughts from the question alone."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from icot_tui.methods.distillation.blocks import (
    EnoughSeen,
    at_positions,
    decoder_blocks,
    edited_inputs,
    with_states,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ThoughtEmulator(nn.Module):
    """A language model that goes on thinking from block to block at the first separator.

    K mixture components. The last block and what follows it are never run.

    Args:
        lm: the model that reads the question.
        mixture_components: K, the ways of thinking it may choose from.
        temperature: of that choice; lower is more decided.
    """

    def __init__(
        self, lm: "PreTrainedModel", mixture_components: int = 1, temperature: float = 0.05
    ) -> None:
        super().__init__()
        width = lm.config.hidden_size
        self.lm = lm
        self.temperature = temperature
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
            for _ in decoder_blocks(lm)
        )
        self.mixture_components = nn.Embedding(mixture_components, width)
        self.rnn = nn.LSTMCell(width, width)
        self.key_proj = nn.Linear(width, width)
        self.query_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(2 * width, width)
        self.to(dtype=lm.dtype)

    def forward(
        self,
        ids: Tensor,
        separators: Tensor,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """[B, L, H] predicted thoughts, float32.

        Args:
            ids: [B, C] rows that hold ` {x} SEP`.
            separators: [B] where SEP stands.
            mask: [B, C] False where there is padding on the left; None without it.
            positions: [B, C] position ids; None to count from 0.
        """  # fmt: skip
        thinking = _Thinking(self, separators)
        with edited_inputs(decoder_blocks(self.lm), thinking.block):
            self.lm.base_model(ids, attention_mask=mask, position_ids=positions, use_cache=False)
        return torch.stack(thinking.predictions, dim=1).float()

    def component(self, state: Tensor) -> Tensor:
        """[B, H] the mixture's embedding for states [B, H]."""
        table = self.mixture_components.weight
        if len(table) == 1:
            return table.expand(len(state), -1)
        shares: Tensor = torch.softmax(state @ table.T / self.temperature, dim=-1)  # [B, K]
        return shares @ table


class _Thinking:
    """What one forward pass carries from block to block."""

    def __init__(self, emulator: ThoughtEmulator, separators: Tensor) -> None:
        self.predictions: list[Tensor] = []
        self._emulator = emulator
        self._separators = separators
        self._memory: tuple[Tensor, Tensor] | None = None
        self._context: Tensor | None = None
        self._keys: list[Tensor] = []

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """The block's input with the emulator's own state at the separator."""
        own = self._emulator
        state = at_positions(hidden, self._separators).to(own.out_proj.weight.dtype)
        prediction = own.mlps[number](torch.cat([state, own.component(state)], dim=-1))
        self.predictions.append(prediction)
        if len(self.predictions) == len(own.mlps):
            raise EnoughSeen
        return with_states(hidden, self._separators, self._next(prediction))

    def _next(self, prediction: Tensor) -> Tensor:
        """[B, H] the state that goes on: memory of the blocks so far, and what it recalls."""
        own = self._emulator
        read = prediction if self._context is None else prediction + self._context
        self._memory = own.rnn(read, self._memory)
        output = self._memory[0]
        self._context = self._recalled(output)
        self._keys.append(own.key_proj(output))
        state: Tensor = own.out_proj(torch.cat([output, self._context], dim=-1))
        return state

    def _recalled(self, output: Tensor) -> Tensor:
        """[B, H] attention over the earlier blocks' keys, which serve as values; 0 at the first."""
        if not self._keys:
            return torch.zeros_like(output)
        keys = torch.stack(self._keys, dim=1)  # [B, l, H]
        query = self._emulator.query_proj(output)
        shares = torch.softmax((keys @ query[:, :, None]).squeeze(-1), dim=-1)  # [B, l]
        return (shares[:, None] @ keys).squeeze(1)
