"""Which attention a model trains with."""

from typing import TYPE_CHECKING

from icot_tui.models.wrapped import unadapted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LONGEST = 512
"""Positions up to which attention that keeps all its probabilities was measured to be faster."""


def choose_attention(lm: "PreTrainedModel", precision: str, device: str, positions: int) -> None:
    """Leave PyTorch's fused attention where plain matrix products are faster.

    That is in bfloat16 on a CPU: the fused backward pass takes as long as in float32 or longer,
    plain products a third of it and less (benchmarks/RESULTS.md, section 3). Saved checkpoints
    know nothing of it.

    Args:
        lm: the model; changed in place.
        precision: `model.precision` of a config.
        device: kind of device that it is trained on.
        positions: position ids that the longest row needs.
    """
    bare = unadapted(lm)
    fused = getattr(bare.config, "_attn_implementation", None) == "sdpa"
    if fused and precision != "float32" and device == "cpu" and positions <= LONGEST:
        bare.set_attn_implementation("eager")
