"""How much a training step computes, counted operation by operation."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from icot_tui.curriculum.removal import Batch
from icot_tui.engine.loop.update import Update


def _attention(query: Any, key: Any, value: Any, *rest: Any, **named: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(*shapes: Any, **named: Any) -> int:
    return int(sdpa_backward_flop_count(*shapes[:4]))  # type: ignore[no-untyped-call]


_OPS = torch.ops.aten
_ON_CPU = {  # which the counter of PyTorch 2.13 leaves out without a word
    _OPS._scaled_dot_product_flash_attention_for_cpu: _attention,
    _OPS._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def step_flops(update: Update, batch: Batch) -> int:
    """Floating-point operations of a step's forward and backward pass, in all processes.

    Nothing is updated.
    """
    processes: int = update.accelerator.num_processes
    return flops_of(lambda: update.warm_up(batch)) * processes


def flops_of(work: Callable[[], None]) -> int:
    """Floating-point operations of matrix products, convolutions and attention in this process.

    A multiplication and an addition are two; attention is counted over all pairs of tokens, masked
    or not. Fused kernels from outside of PyTorch are not seen.
    """
    with FlopCounterMode(display=False, custom_mapping=_ON_CPU) as counter:
        work()
    return int(counter.get_total_flops())
