"""What the answer depends on: swapped tokens of the input, and attention."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.examples import AlignedExamples, Ints
from icot_tui.analysis.probe_report import Grid
from icot_tui.analysis.residual_stream import ResidualStream, forward
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Attribution:
    """I input columns that differ between examples × K answer digits.

    columns  [I] their names
    digits   [K] c0, c1, ...
    logit    [I, K] mean fall of the right token's logit when the column holds another token
    size     [I, K] mean absolute change of it
    changed  [I, K] share of examples in which the arg-max changes
    examples averaged over
    """

    columns: tuple[str, ...]
    digits: tuple[str, ...]
    logit: Grid
    size: Grid
    changed: Grid
    examples: int


@torch.no_grad()
def attribute(
    stream: ResidualStream, aligned: AlignedExamples, rows: Ints | None = None
) -> Attribution:
    """Replace each column's token by one that another example has there; all else stays.

    The gold answer is fed in all cases, so that each digit is looked at by itself.
    """
    rows = np.arange(len(aligned)) if rows is None else rows
    columns = np.flatnonzero(aligned.varies[: aligned.separator])
    rng = np.random.default_rng(0)
    shape = (len(columns), aligned.digits)
    fall, size, changed = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for part in aligned.batches(rows):
        ids, positions = aligned.inputs(part)
        before, best = _gold_logits(stream, aligned, part, ids, positions)
        for number, column in enumerate(columns.tolist()):
            swapped = ids.clone()
            others = torch.from_numpy(_other_tokens(aligned.tokens[:, column], part, rng))
            swapped[np.arange(len(part)), aligned.columns[part, column]] = others
            after, best_after = _gold_logits(stream, aligned, part, swapped, positions)
            fall[number] += (before - after).sum(0)
            size[number] += np.abs(before - after).sum(0)
            changed[number] += (best != best_after).sum(0)
    return Attribution(
        columns=tuple(aligned.names[column] for column in columns),
        digits=aligned.names[aligned.answer :],
        logit=fall / len(rows),
        size=size / len(rows),
        changed=changed / len(rows),
        examples=len(rows),
    )


def _other_tokens(tokens: Ints, rows: Ints, rng: np.random.Generator) -> Ints:
    """[n] tokens from the same column of random examples, but never a row's own token."""
    own, drawn = tokens[rows], rng.choice(tokens, len(rows))
    while (same := drawn == own).any():
        drawn[same] = rng.choice(tokens, int(same.sum()))
    return drawn


def _gold_logits(
    stream: ResidualStream,
    aligned: AlignedExamples,
    rows: Ints,
    ids: Tensor,
    positions: Tensor | None,
) -> tuple[Grid, Ints]:
    """([n, K] logits of the gold answer less the mean logit, [n, K] arg-max)."""
    logits = stream.forward(ids, positions)[aligned.before_answer(rows)].float().cpu()
    centred = logits - logits.mean(-1, keepdim=True)  # a shift of all logits means nothing
    gold = torch.from_numpy(aligned.tokens[rows, aligned.answer :])
    right = centred.gather(2, gold[..., None])[..., 0]
    return right.double().numpy(), logits.argmax(-1).numpy()


@torch.no_grad()
def attention(lm: "PreTrainedModel", ids: Tensor, positions: Tensor | None = None) -> Tensor:
    """[layers, B, heads, query L, key L] float32 weights on the CPU of rows padded on the right.

    Raises:
        UserError: the model does not return its attention weights.
    """
    with _eager(lm):
        weights = forward(lm, ids, positions, output_attentions=True).attentions
    if not weights or weights[0] is None:
        raise UserError(f"a {type(lm).__name__} does not return its attention weights")
    return torch.stack([layer.float().cpu() for layer in weights])


def mean_attention(
    lm: "PreTrainedModel", aligned: AlignedExamples, rows: Ints
) -> NDArray[np.float64]:
    """[layers, heads, query C, key C] weights between aligned columns, averaged over examples."""
    total: Tensor | float = 0.0
    for part in aligned.batches(rows):
        found = attention(lm, *aligned.inputs(part))
        columns = torch.from_numpy(aligned.columns[part])  # [n, C]
        row = torch.arange(len(part))[:, None, None]
        # Advanced indices around a slice come first: [n, C, C, layers, heads].
        chosen = found.permute(1, 3, 4, 0, 2)[row, columns[:, :, None], columns[:, None]]
        total = total + chosen.sum(0).permute(2, 3, 0, 1).double()
    assert isinstance(total, Tensor)
    mean: NDArray[np.float64] = (total / len(rows)).numpy()
    return mean


@contextmanager
def _eager(lm: "PreTrainedModel") -> Iterator[None]:
    """Only the eager implementation returns weights; the faster one is put back afterwards."""
    bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    before = bare.config._attn_implementation
    bare.set_attn_implementation("eager")
    try:
        yield
    finally:
        bare.set_attn_implementation(before)
