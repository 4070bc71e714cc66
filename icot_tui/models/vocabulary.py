"""The words of a pretrained model: whether its head is its embedding, and a model with fewer words.

A model with fewer words has some rows of embedding and head, in a given order. Its loss is that of
a softmax over these words alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub.errors import StrictDataclassError

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

PROBED = 8
"""Tokens of the row with which a model is tried before and after."""
TOLERANCE = 1e-4
"""Of logits, relative to their spread: products of other sizes round otherwise."""


def tell_own_head(model: "PreTrainedModel") -> None:
    """Let the config tell of a head with weights of its own, where it says there is none.

    transformers loads such a folder with both, but `resize_token_embeddings` and other programs go
    by the config, and take the embedding for the head (findings/transformers-own-head-lost.sh).
    """
    words, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is not None and getattr(model.config, "tie_word_embeddings", False):
        model.config.tie_word_embeddings = head.weight is words.weight


@torch.no_grad()
def keep_words(model: "PreTrainedModel", kept: Sequence[int]) -> None:
    """Leave a model, in place, with the words `kept`: word kept[k] becomes word k.

    Raises:
        UserError: it does more with its words than look them up and score them.
    """
    ids = torch.tensor(kept)
    probe = torch.arange(PROBED).remainder(len(ids))
    before = _logits(model, ids[probe])[:, ids]
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    for rows in {id(part): part for part in (embedding.weight, head.weight)}.values():
        rows[: len(ids)] = rows[ids]
    if getattr(head, "bias", None) is not None:
        head.bias[: len(ids)] = head.bias[ids]
    model.resize_token_embeddings(len(ids), mean_resizing=False)
    after = _logits(model, probe)
    same = before.shape == after.shape
    if not same or (before - after).abs().max() > TOLERANCE * before.std():
        raise UserError(
            f"a model of type '{model.config.model_type}' does more with its words than look them "
            "up and score them, so that none can be taken out: leave model.vocabulary out"
        )


def _logits(model: "PreTrainedModel", ids: "Tensor") -> "Tensor":
    """[n, V] of a row [n]."""
    model.eval()
    logits: Tensor = model(input_ids=ids[None].to(model.device), use_cache=False).logits[0]
    return logits.float()


def forget_pad_token(config: Any, otherwise: int | None = None) -> None:
    """Name no pad token in a config; in one that insists on one, `otherwise`, or that it has."""
    try:
        config.pad_token_id = None
    except StrictDataclassError:
        if otherwise is not None:
            config.pad_token_id = otherwise
