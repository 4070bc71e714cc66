"""The loss with heads that regress running sums (arXiv 2510.00184, section 6).

B rows, L columns, M answer digits; R attention heads that are read, D values wide each.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError
from icot_tui.models.blocks import attention_projection, find_blocks, text_config
from icot_tui.models.supervised import Loss, SupervisedLM
from icot_tui.units import NLL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel

    from icot_tui.methods.running_sums.config import RunningSumsConfig


class Sums(NamedTuple):
    """What the heads shall say.

    states   [M] indices into the flattened [B * L] positions that predict an answer digit
    values   [M] the running sum ĉ_k of that digit
    weights  [M] of its squared error: supervised tokens of its row for each digit of its answer
    """

    states: Tensor
    values: Tensor
    weights: Tensor


class SumHeads(nn.Module):
    """A linear regression on each of R attention heads, in units of the running sums' spread."""

    mean: Tensor
    spread: Tensor

    def __init__(self, heads: int, width: int, mean: float, spread: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(heads, width))
        self.bias = nn.Parameter(torch.zeros(heads))
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("spread", torch.tensor(spread))

    def forward(self, attended: Tensor, values: Tensor) -> Tensor:
        """[M] mean over heads of the squared error, over the variance of the running sums.

        Args:
            attended: [M, at least R * D] what a block's attention heads give, side by side.
            values: [M] running sums.
        """
        heads, width = self.weight.shape
        read = attended[:, : heads * width].reshape(-1, heads, width).float()
        predicted = (read * self.weight).sum(-1) + self.bias  # [M, R]
        wanted = (values.float() - self.mean) / self.spread
        error: Tensor = (predicted - wanted[:, None]).square().mean(1)
        return error


class RunningSumsLM(SupervisedLM):
    """A language model that is also asked for running sums while it is trained.

    Args:
        lm: any causal language model whose attention ends in one projection.
        config: which heads are read, and the weight of their error.
        mean: of all running sums of the training split.
        spread: their standard deviation.
        by_row: give the negative log-likelihoods of each row besides.

    Raises:
        UserError: the model has no such block or heads.
    """

    def __init__(
        self,
        lm: "PreTrainedModel",
        config: "RunningSumsConfig",
        mean: float,
        spread: float,
        by_row: bool = False,
    ) -> None:
        super().__init__(lm, by_row)
        layers, heads = len(find_blocks(lm)[1]), text_config(lm).num_attention_heads
        layer = layers if config.layer is None else config.layer
        if layer > layers or config.heads > heads:
            raise UserError(
                f"running_sums reads {config.heads} heads of layer {layer}, but the model has "
                f"{heads} heads in each of {layers} layers"
            )
        projection: Any = attention_projection(lm, layer - 1)
        self._projection = (projection,)  # in a tuple: it is the language model's own
        inputs = projection.in_features if isinstance(projection, nn.Linear) else projection.nx
        self.heads = SumHeads(config.heads, inputs // heads, mean, spread)
        self._weight = config.weight

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None,
        states: Tensor,
        targets: Tensor,
        told: dict[str, Any] | None = None,
        sums: Sums | None = None,
    ) -> Loss | tuple[Loss, Tensor]:
        """The negative log-likelihoods, and the errors with their weight; see `SupervisedLM`."""
        assert sums is not None
        with self._attention() as seen:
            own = super().forward(ids, positions, states, targets, told)
        errors = self.heads(seen[-1].flatten(0, 1)[sums.states], sums.values)
        nll, rows = own if isinstance(own, tuple) else (own, None)
        parts = nll if isinstance(nll, dict) else {NLL: nll}
        parts = parts | {"running_sums": self._weight * (errors * sums.weights).sum()}
        return parts if rows is None else (parts, rows)

    @contextmanager
    def _attention(self) -> "Iterator[list[Tensor]]":
        """What the block's attention heads give: [B, L, all heads' values]."""
        seen: list[Tensor] = []
        hook = self._projection[0].register_forward_pre_hook(
            lambda module, inputs: seen.append(inputs[0])
        )
        try:
            yield seen
        finally:
            hook.remove()
