"""Cross entropy of a large vocabulary without ever holding all logits.

The gradient is made chunk by chunk in the forward pass, while the logits are still in the cache.
PyTorch's own `linear_cross_entropy` does the same, but was three times slower than even the plain
loss on a CPU (benchmarks/LOG.md).
"""

from typing import Any

import torch
from torch import Tensor

CHUNK_BYTES = {"cpu": 16 << 20, "cuda": 1 << 30}
"""Float32 logits held at once: about a CPU's cache, or enough to fill a GPU."""


class ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of -log softmax(hidden weightᵀ)[target] over N rows, H wide, of V words."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """[N, H], [V, H], [N] (-100 is ignored) to a scalar, in nats."""
        words, width = weight.shape
        fitting = CHUNK_BYTES.get(hidden.device.type, 1 << 28) // (4 * words)
        rows = max(fitting, width)  # fewer, and adding up the weight's gradient costs more
        compute = hidden.dtype
        if torch.is_autocast_enabled(hidden.device.type):
            compute = torch.get_autocast_dtype(hidden.device.type)
        cast_weight = weight.to(compute)
        loss = torch.zeros((), device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            chunk, wanted = hidden[part].to(compute), targets[part, None]  # [n, H], [n, 1]
            counts = (wanted >= 0).to(compute)
            wanted = wanted.clamp(min=0)
            logits = (chunk @ cast_weight.T).float()  # [n, V]
            log_sum = logits.logsumexp(1, keepdim=True)
            loss += ((log_sum - logits.gather(1, wanted)) * counts).sum()
            gradient = logits.sub_(log_sum).exp_()  # softmax
            gradient.scatter_add_(1, wanted, gradient.new_full(wanted.shape, -1.0))
            gradient = gradient.to(compute)
            hidden_gradient[part] = (gradient @ cast_weight) * counts
            if weight_gradient is not None:
                weight_gradient += gradient.T @ (chunk * counts)
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        """The gradients made in the forward pass, scaled."""
        hidden_gradient, weight_gradient = ctx.saved_tensors
        scale = gradients[0]
        scaled = None if weight_gradient is None else weight_gradient * scale
        return hidden_gradient * scale, scaled, None
