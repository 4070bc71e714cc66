"""A causal language model whose head sees supervised positions only.

With GPT-2's 50,257 words the head costs more than three small blocks; most positions of a batch
are prompt or padding, and need no logits.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from icot_tui.errors import UserError
from icot_tui.models.wrapped import WrappedLM, accepted, unadapted
from icot_tui.units import NLL

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK_BYTES = {"cpu": 16 << 20, "cuda": 1 << 30}
"""Float32 logits held at once: about a CPU's cache, or enough to fill a GPU."""
CHUNKED_VOCABULARY = 8192
"""From this vocabulary on, the loss never holds all logits at once."""
Loss = Tensor | dict[str, Tensor]
"""A scalar; or, by their names, the scalars that add up to it: each weighted as it enters it."""


class ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of -log softmax(hidden weightᵀ)[target] over N rows, H wide, of V words.

    No more than a chunk of the logits exists at a time: the gradient is made chunk by chunk in the
    forward pass, while the logits are still in the cache. PyTorch's own `linear_cross_entropy` does
    the same, but was three times slower than even the plain loss on a CPU (benchmarks/LOG.md).
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, with_terms: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """[N, H], [V, H], [N] (-100 is ignored) to a scalar, in nats; also to its terms [N]."""
        words, width = weight.shape
        fitting = _chunk_bytes(hidden) // (4 * words)
        rows = max(fitting, width)  # fewer, and adding up the weight's gradient costs more
        compute = hidden.dtype
        if torch.is_autocast_enabled(hidden.device.type):
            compute = torch.get_autocast_dtype(hidden.device.type)
        cast_weight = weight.to(compute)
        loss = torch.zeros((), device=hidden.device)
        each = torch.empty(len(targets), device=hidden.device) if with_terms else None
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        # The same memory for every chunk: to ask for more takes longer than to fill it.
        all_logits = hidden.new_empty((min(rows, len(targets)), words), dtype=compute)
        softmax = torch.empty_like(all_logits, dtype=torch.float32)
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            chunk, wanted = hidden[part].to(compute), targets[part, None]  # [n, H], [n, 1]
            counts = (wanted >= 0).to(compute)
            wanted = wanted.clamp(min=0)
            logits = torch.mm(chunk, cast_weight.T, out=all_logits[: len(chunk)])  # [n, V]
            gradient = torch.softmax(logits, 1, torch.float32, out=softmax[: len(chunk)])
            largest = logits.amax(1, keepdim=True).float()
            log_sum = largest - gradient.amax(1, keepdim=True).log()
            terms = (log_sum - logits.gather(1, wanted).float()) * counts
            loss += terms.sum()
            if each is not None:
                each[part] = terms[:, 0].detach()
            gradient.scatter_add_(1, wanted, gradient.new_full(wanted.shape, -1.0))
            gradient = gradient.to(compute)
            hidden_gradient[part] = (gradient @ cast_weight) * counts
            if weight_gradient is None:
                continue
            if weight.dtype == compute:
                weight_gradient.addmm_(gradient.T, chunk * counts)
            else:
                weight_gradient += gradient.T @ (chunk * counts)
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        if each is None:
            return loss
        ctx.mark_non_differentiable(each)
        return loss, each

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        """The gradients made in the forward pass, scaled."""
        hidden_gradient, weight_gradient = ctx.saved_tensors
        scaled = None if weight_gradient is None else weight_gradient * gradients[0]
        return hidden_gradient * gradients[0], scaled, None, None


_chunked: Callable[..., Any] = ChunkedCrossEntropy.apply


class SupervisedLM(nn.Module):
    """Loss and predictions of a causal language model at chosen positions.

    B rows, L columns, H width, V words, N supervised tokens. Calling the module, rather than its
    parts, is what makes DDP and FSDP work. `head_is_separable`: is head(decoder(x)) all that the
    model does? `mixes_rows`: does a row's loss depend on the others of its batch? With `by_row`,
    the loss of each row is given besides.
    """

    def __init__(self, lm: "PreTrainedModel", by_row: bool = False) -> None:
        super().__init__()
        self.lm = lm
        bare = unadapted(lm)
        inner = unadapted(bare.lm) if isinstance(bare, WrappedLM) else bare
        self._takes_positions = "position_ids" in accepted(inner)
        self.head_is_separable = _head_is_separable(inner)
        self._balance = _balance_weight(inner) if inner is bare else None
        self.mixes_rows = self._balance is not None
        self.by_row = by_row
        if by_row and self.mixes_rows:
            raise UserError(
                "this model's auxiliary loss is no sum over rows, so that no row has a loss of its "
                "own: take another curriculum.schedule than 'mastery', leave curriculum.gate_rows "
                "at 'all', or set output_router_logits to false in the model's config.json"
            )

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None,
        states: Tensor,
        targets: Tensor,
        told: dict[str, Any] | None = None,
    ) -> Loss | tuple[Loss, Tensor]:
        """Sum of the negative log-likelihoods, a scalar in nats; `by_row`: and of each row [B].

        Args:
            ids: [B, L] token ids, padded on the right.
            positions: [B, L] position ids, or None to count from 0.
            states: [N] indices into the flattened [B * L] positions that predict.
            targets: [N] the tokens that follow; -100 is ignored.
            told: what the reading of a `WrappedLM` is given besides.

        A mixture of experts whose config has `output_router_logits` gets its auxiliary loss as a
        second part, with the model's own weight and as if each supervised token had it.
        """
        if self._balance is not None:
            return self._balanced(ids, positions, states, targets)
        hidden, head = self._states(ids, positions, states, **(told or {}))
        if self.by_row:
            return _by_row(head, hidden, targets, states // ids.shape[1], len(ids))
        if head is None:
            return F.cross_entropy(hidden.float(), targets, reduction="sum")
        return sum_nll(head, hidden, targets)

    def _balanced(
        self, ids: Tensor, positions: Tensor | None, states: Tensor, targets: Tensor
    ) -> dict[str, Tensor]:
        """`forward` with the auxiliary loss, over all tokens that are no padding."""
        rows, columns = ids.shape
        ends = torch.where(targets >= 0, states % columns, 0)
        last = ids.new_zeros(rows).scatter_reduce(0, states // columns, ends, "amax")
        mask = torch.arange(columns, device=ids.device) <= last[:, None]
        options = {"position_ids": positions} if self._takes_positions else {}
        out: Any = unadapted(self.lm)(
            ids, attention_mask=mask, use_cache=False, output_router_logits=True, **options
        )
        logits = out.logits.flatten(0, 1)[states].float()
        nll = F.cross_entropy(logits, targets, reduction="sum")
        return {NLL: nll, "router": self._balance * out.aux_loss * (targets >= 0).sum()}

    @torch.no_grad()
    def score(
        self, ids: Tensor, positions: Tensor | None, states: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """([N], [N]): each target's negative log-likelihood, and the arg-max in its place."""
        hidden, head = self._states(ids, positions, states)
        if head is None:
            return _nll(hidden, targets), arg_max(hidden)
        rows = max(1, _chunk_bytes(hidden) // (4 * head.weight.shape[0]))
        parts = []
        for start in range(0, len(targets), rows):
            chunk, wanted = hidden[start : start + rows], targets[start : start + rows]
            logits = head(chunk)
            parts.append((_nll(logits, wanted), arg_max(logits)))
        if not parts:
            return hidden.new_zeros(0), targets
        return torch.cat([nll for nll, _ in parts]), torch.cat([best for _, best in parts])

    @torch.no_grad()
    def logits(self, ids: Tensor, positions: Tensor | None, states: Tensor) -> Tensor:
        """[N, V] logits at `states`; arguments as of `forward`."""
        hidden, head = self._states(ids, positions, states)
        return hidden if head is None else cast("Tensor", head(hidden))

    def _states(
        self, ids: Tensor, positions: Tensor | None, states: Tensor, **told: Any
    ) -> tuple[Tensor, nn.Linear | None]:
        """[N, H] hidden states and the head; [N, V] logits and None where they can't be parted."""
        lm = unadapted(self.lm)
        # Without a mask, transformers takes position ids that jump for packed sequences, and lets
        # no row look across the jump: with kept positions the input would be out of sight.
        mask = None if positions is None else torch.ones_like(ids)
        options = {"attention_mask": mask, "use_cache": False} | told
        if self._takes_positions:
            options["position_ids"] = positions
        if not self.head_is_separable:
            return lm(ids, **options).logits.flatten(0, 1)[states], None
        decoder, head = lm.base_model, lm.get_output_embeddings()
        hidden: Tensor = decoder(ids, **options)[0]
        return hidden.flatten(0, 1)[states], head


def _by_row(
    head: nn.Linear | None, hidden: Tensor, targets: Tensor, rows: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """(sum, [B] those of each of so many rows, without gradient), given the row of each target [N].

    `hidden` are logits if there is no head; -100 is ignored.
    """
    if head is None or not _chunks(head):
        logits = hidden if head is None else head(hidden)
        terms = F.cross_entropy(logits.float(), targets, reduction="none")
        loss, each = terms.sum(), terms.detach()
    else:
        loss, each = _chunked(hidden, head.weight, targets, True)
    return loss, each.new_zeros(count).index_add(0, rows, each)


def _chunks(head: nn.Linear) -> bool:
    """Are this head's logits too many to hold all at once?"""
    return head.weight.shape[0] >= CHUNKED_VOCABULARY and head.bias is None


def sum_nll(head: nn.Linear, hidden: Tensor, targets: Tensor) -> Tensor:
    """Sum of the negative log-likelihoods of targets [N] (-100 is ignored) after states [N, H]."""
    if not _chunks(head):
        return F.cross_entropy(head(hidden).float(), targets, reduction="sum")
    loss: Tensor = _chunked(hidden, head.weight, targets)
    return loss


def _balance_weight(lm: "PreTrainedModel") -> float | None:
    """Of the auxiliary loss that keeps experts busy; None where the config does not ask for it."""
    if not getattr(lm.config, "output_router_logits", False):
        return None
    weight: float | None = getattr(lm.config, "router_aux_loss_coef", None)
    if weight is None:
        raise UserError(
            f"the config of this {lm.config.model_type} has output_router_logits, but no "
            "router_aux_loss_coef: set output_router_logits to false"
        )
    return weight


def check_balance(objective: nn.Module) -> None:
    """Check that a training's loss has all auxiliary losses that its models' configs ask for.

    Raises:
        UserError: it lacks one: only `SupervisedLM` on a model itself has it.
    """
    parts = list(objective.modules())
    with_it = {
        id(unadapted(one.lm).config)
        for one in parts
        if isinstance(one, SupervisedLM) and one.mixes_rows
    }
    for one in parts:
        config: Any = getattr(one, "config", None)
        if getattr(config, "output_router_logits", False) and id(config) not in with_it:
            raise UserError(
                f"the config of this {config.model_type} has output_router_logits, but the loss of "
                "this method has no place for its auxiliary loss: set output_router_logits to false"
            )


def arg_max(logits: Tensor) -> Tensor:
    """[...] the first of the largest of logits [..., V]: the greedy choice.

    `Tensor.argmax` gives the same, but takes six times as long in bfloat16 on a CPU
    (findings/torch-argmax-bfloat16-slow.sh).
    """
    return logits.max(-1).indices


def _chunk_bytes(hidden: Tensor) -> int:
    return CHUNK_BYTES.get(hidden.device.type, 1 << 28)


def _nll(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), targets, reduction="none")


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
    hidden = decoder(input_ids=ids, use_cache=False)[0]
    lm.train(training)
    # Mamba's residual stream stays in float32, and its head does not.
    return hidden.dtype == head.weight.dtype and bool(torch.equal(whole, head(hidden)))
