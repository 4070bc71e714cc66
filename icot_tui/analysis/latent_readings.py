"""What a model's continuous thoughts look like to its output layer: a reading, not what they mean.

The hidden state that becomes a thought is given to the head, as if a token had to be written there.
Nothing in the training asks that to make sense. B rows, n thoughts, K nearest tokens.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from icot_tui.analysis.answer import AnswerToken, LatentThought
from icot_tui.engine.loop.update import send
from icot_tui.models.latents import LatentReading
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import WrappedLM

if TYPE_CHECKING:
    from icot_tui.engine.evaluation.staged_examples import Prefixes

NEAREST = 3
"""K."""


@torch.no_grad()
def read_latents(
    model: SupervisedLM, prefixes: "Prefixes", token_text: Callable[[int], str]
) -> list[tuple[LatentThought, ...]]:
    """The thoughts of each of B rows at the stage that the model is asked at.

    Empty for a model without thoughts, and for one that does more with its head's output.
    """
    lm: Any = model.lm
    rows = len(prefixes)
    if not isinstance(lm, WrappedLM) or not isinstance(lm.reading, LatentReading):
        return [()] * rows
    if not model.head_is_separable:
        return [()] * rows
    device = next(lm.parameters()).device
    ids, lengths = send(prefixes.ids, device), send(prefixes.lengths, device)
    columns = torch.arange(ids.shape[1], device=device)
    mask = (columns >= ids.shape[1] - lengths[:, None]).long()
    states = lm.reading.thoughts(ids, lm.separators(ids, mask), {"attention_mask": mask})
    if not states.shape[1]:
        return [()] * rows
    chances = torch.softmax(lm.get_output_embeddings()(states).float(), dim=-1)  # [B, n, V]
    best = chances.topk(min(NEAREST, chances.shape[-1]), dim=-1)
    pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return [
        tuple(
            LatentThought(tuple(map(AnswerToken, map(token_text, tokens), shares)))
            for shares, tokens in zip(*row, strict=True)
        )
        for row in pairs
    ]
