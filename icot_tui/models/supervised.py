"""A causal language model whose head sees supervised positions only.

With GPT-2's 50,257 words the head costs more than three small blocks; most positions of a batch
are prompt or padding, and need no logits.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from icot_tui.models.chunked_loss import ChunkedCrossEntropy

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNKED_VOCABULARY = 8192
"""From this vocabulary on, the loss never holds all logits at once."""
SCORE_BYTES = 64 << 20
"""Logits held at once by `score`, in bytes."""


class SupervisedLM(nn.Module):
    """Loss and predictions of a causal language model at chosen positions.

    B rows, L columns, H width, V words, N supervised tokens. Calling the module, rather than its
    parts, is what makes DDP and FSDP work.
    """

    def __init__(self, lm: "PreTrainedModel") -> None:
        super().__init__()
        self.lm = lm
        self._split = _head_is_separable(_unadapted(lm))

    def forward(
        self, ids: Tensor, positions: Tensor | None, states: Tensor, targets: Tensor
    ) -> Tensor:
        """Sum of the negative log-likelihoods, a scalar in nats.

        Args:
            ids: [B, L] token ids, padded on the right.
            positions: [B, L] position ids, or None to count from 0.
            states: [N] indices into the flattened [B * L] positions that predict.
            targets: [N] the tokens that follow; -100 is ignored.
        """
        hidden, head = self._states(ids, positions, states)
        if head is None:
            return F.cross_entropy(hidden.float(), targets, reduction="sum")
        return _linear_cross_entropy(hidden, head, targets)

    @torch.no_grad()
    def score(
        self, ids: Tensor, positions: Tensor | None, states: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """([N], [N]): each target's negative log-likelihood, and the arg-max in its place."""
        hidden, head = self._states(ids, positions, states)
        if head is None:
            return _nll(hidden, targets), hidden.argmax(-1)
        rows = max(1, SCORE_BYTES // (4 * head.weight.shape[0]))
        parts = []
        for start in range(0, len(targets), rows):
            chunk, wanted = hidden[start : start + rows], targets[start : start + rows]
            logits = head(chunk)
            parts.append((_nll(logits, wanted), logits.argmax(-1)))
        if not parts:
            return hidden.new_zeros(0), targets
        return torch.cat([nll for nll, _ in parts]), torch.cat([best for _, best in parts])

    def _states(
        self, ids: Tensor, positions: Tensor | None, states: Tensor
    ) -> tuple[Tensor, nn.Linear | None]:
        """[N, H] hidden states and the head; [N, V] logits and None where they can't be parted."""
        lm = _unadapted(self.lm)
        # Without a mask, transformers takes position ids that jump for packed sequences, and lets
        # no row look across the jump: with kept positions the input would be out of sight.
        mask = None if positions is None else torch.ones_like(ids)
        if not self._split:
            logits = lm(ids, attention_mask=mask, position_ids=positions, use_cache=False).logits
            return logits.flatten(0, 1)[states], None
        decoder, head = lm.base_model, lm.get_output_embeddings()
        hidden = decoder(ids, attention_mask=mask, position_ids=positions, use_cache=False)[0]
        return hidden.flatten(0, 1)[states], head


def _unadapted(lm: nn.Module) -> "PreTrainedModel":
    """The transformers model itself: PEFT puts its adapters into it and wraps it."""
    return lm.get_base_model() if hasattr(lm, "get_base_model") else lm  # type: ignore[operator]


def _nll(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), targets, reduction="none")


def _linear_cross_entropy(hidden: Tensor, head: nn.Linear, targets: Tensor) -> Tensor:
    """Sum of the cross entropies of `head(hidden)`, in chunks where the vocabulary is large."""
    if head.weight.shape[0] < CHUNKED_VOCABULARY or head.bias is not None:
        return F.cross_entropy(head(hidden).float(), targets, reduction="sum")
    loss: Tensor = ChunkedCrossEntropy.apply(hidden, head.weight, targets)
    return loss


@torch.no_grad()
def _head_is_separable(lm: "PreTrainedModel") -> bool:
    """Is head(decoder(x)) all that this model does? (Some scale or cap their logits.)"""
    decoder, head = lm.base_model, lm.get_output_embeddings()
    if decoder is lm or not isinstance(head, nn.Linear):
        return False
    training = lm.training
    lm.eval()
    ids = torch.arange(4, device=head.weight.device).remainder(head.weight.shape[0])[None]
    whole = lm(input_ids=ids, use_cache=False).logits
    parts = head(decoder(input_ids=ids, use_cache=False)[0])
    lm.train(training)
    return bool(torch.equal(whole, parts))
