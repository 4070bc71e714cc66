"""A language model with continuous thoughts, tried before it is used.

A model whose layers keep a running state reads a batch otherwise than a row alone: its state takes
in what the row should skip. Nothing in its config tells.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError
from icot_tui.models.behaviour import TOLERANCE, kind
from icot_tui.models.double import fits_in_double, in_double
from icot_tui.models.latents import MARKS, LatentReading, ThoughtCounts
from icot_tui.models.wrapped import WrappedLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROMPTS, THOUGHTS, BEHIND = (4, 2), (1, 2), 2
"""Of each of two rows the tokens of ` {x} SEP` and the thoughts, and of both what follows."""
LOOSER = 10
"""Times the tolerance of a single pass: thoughts are read again and again."""


def latent_lm(
    lm: "PreTrainedModel",
    separator_id: int,
    thoughts_at: Callable[[int], int],
    most: int,
    parts: dict[str, nn.Module] | None = None,
) -> WrappedLM:
    """A language model with thoughts; its new START and END begin as the separator's embedding.

    `parts` may hold a `project`; see `LatentReading`.

    Raises:
        UserError: rows of a batch with thoughts are not read as each row alone.
    """
    words = lm.get_input_embeddings().weight
    marks = nn.Embedding(MARKS, words.shape[1], dtype=words.dtype)
    marks.weight.data.copy_(words.data[separator_id].expand(MARKS, -1))
    parts = parts or {}
    reading = LatentReading(lm, marks, thoughts_at, most, parts.get("project"))
    whole = WrappedLM(lm, reading, separator_id, {"marks": marks, **parts})
    training = lm.training
    lm.eval()
    _check(whole, separator_id)
    lm.train(training)
    return whole


def untrained_latent_lm(trained: WrappedLM, lm: "PreTrainedModel") -> WrappedLM:
    """Another language model with thoughts as those of a trained one, and parts that are new."""
    reading = trained.reading
    assert isinstance(reading, LatentReading)
    parts = {name: deepcopy(part) for name, part in trained.parts.items() if name != "marks"}
    for part in parts.values():
        for module in part.modules():
            reset: Any = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
    most = reading.extra_positions - MARKS
    return latent_lm(lm, trained.separator_id, reading.thoughts_at, most, parts)


def _check(lm: WrappedLM, separator_id: int) -> None:
    """Refuse a model whose rows change each other, or that can't be read in several passes."""
    alike = _alike(lm, separator_id)
    if not alike and fits_in_double(lm):  # by rounding, perhaps
        with in_double(lm):
            alike = _alike(lm, separator_id)
    if not alike:
        raise UserError(
            f"{kind(lm)} cannot have continuous thoughts: it reads rows of a batch otherwise "
            "than each alone, so that no number of it would be right; give another model"
        )


@torch.no_grad()
def _alike(lm: WrappedLM, separator_id: int) -> bool:
    """Are the rows of a batch read as each row alone?"""
    ids = _rows(lm, separator_id)
    counts = ThoughtCounts(max(THOUGHTS), torch.tensor(THOUGHTS), (min(PROMPTS), max(PROMPTS)))
    try:
        together = lm.base_model(ids, thoughts=counts, use_cache=False)[0]
        pairs = [
            (together[row, length - 1 : length + BEHIND], _alone(lm, ids[row], length, thoughts))
            for row, (length, thoughts) in enumerate(zip(PROMPTS, THOUGHTS, strict=True))
        ]
    except Exception as error:  # of whatever kind: third-party code
        raise UserError(f"{kind(lm)} cannot have continuous thoughts: {error}") from error
    return all(
        float((found.float() - expected.float()).abs().max())
        <= LOOSER * TOLERANCE.get(expected.dtype, 0.1) * float(expected.float().std())
        for found, expected in pairs
    )


def _rows(lm: WrappedLM, separator_id: int) -> Tensor:
    """[2, C] rows with their separator as the last token of the prompt and as padding."""
    words: Any = lm.get_input_embeddings().weight
    columns = torch.arange(max(PROMPTS) + BEHIND)
    others = (separator_id + 1 + columns % (len(words) - 1)) % len(words)
    lengths = torch.tensor(PROMPTS)[:, None]
    separators = (columns == lengths - 1) | (columns >= lengths + BEHIND)
    rows: Tensor = torch.where(separators, separator_id, others).to(words.device)
    return rows


def _alone(lm: WrappedLM, row: Tensor, prompt: int, thoughts: int) -> Tensor:
    """[1 + BEHIND, H] states of END and what follows, without a cache or padding."""
    base: Any = lm.lm.base_model
    marks: Any = lm.parts["marks"].weight
    project = lm.parts["project"] if "project" in lm.parts else nn.Identity()
    start, end = marks.split(1)
    embedded = lm.get_input_embeddings()(row)
    before = torch.cat([embedded[:prompt], start])
    for _ in range(thoughts):
        hidden = base(inputs_embeds=before[None], use_cache=False)[0]
        before = torch.cat([before, project(hidden[0, -1:])])
    whole = torch.cat([before, end, embedded[prompt : prompt + BEHIND]])
    states: Tensor = base(inputs_embeds=whole[None], use_cache=False)[0]
    return states[0, len(before) :]
