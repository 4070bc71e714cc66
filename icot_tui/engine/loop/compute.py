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


def _experts(rows: Any, weights: Any, *rest: Any, **named: Any) -> int:
    """Rows [S, K], each with one of the weights [E, K, N]; or, backward, [K, S] and [S, N]."""
    *_, inner, outer = weights
    return 2 * int(rows[-2]) * int(inner) * int(outer)


def _experts_backward(*shapes: Any, **named: Any) -> int:
    return 2 * _experts(*shapes)


_OPS = torch.ops.aten
_UNKNOWN = {  # to the counter of PyTorch 2.13, which leaves them out without a word
    _OPS._scaled_dot_product_flash_attention_for_cpu: _attention,
    _OPS._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    _OPS._grouped_mm: _experts,
}
_IN_TRANSFORMERS = {  # instead of _grouped_mm, where PyTorch has none for the device
    "grouped_mm_fallback": _experts,
    "grouped_mm_fallback_backward": _experts_backward,
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
    or not; of a mixture of experts, those that are chosen. Fused kernels from outside of PyTorch
    are not seen.
    """
    theirs = torch.ops.transformers
    known = {name: count for name, count in _IN_TRANSFORMERS.items() if hasattr(theirs, name)}
    formulas = _UNKNOWN | {getattr(theirs, name): count for name, count in known.items()}
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        work()
    return int(counter.get_total_flops())
