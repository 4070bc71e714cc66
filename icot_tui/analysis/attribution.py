"""What the answer depends on: swap one token of the input, and watch the answer's logits."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from icot_tui.analysis.activations import batches
from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.analysis.residual_stream import ResidualStream

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class Attribution:
    """I input columns that differ between examples × K answer digits.

    columns  [I] their names
    digits   [K] c0, c1, ...
    logit    [I, K] mean fall of the right token's logit when the column's token is another one
    size     [I, K] mean of the same without its sign: also what moves up and down counts
    changed  [I, K] share of examples in which the arg-max becomes another token
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
    stream: ResidualStream,
    aligned: AlignedExamples,
    rows: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Attribution:
    """Swap each column's token for one that another example has there; all else stays.

    The gold answer is fed in all cases, so that each digit is looked at by itself.

    Args:
        stream: of the model.
        aligned: the examples.
        rows: which of them are looked at; None: all.
        seed: of the swaps.
    """
    rows = np.arange(len(aligned)) if rows is None else rows
    columns = np.flatnonzero(aligned.varies[: aligned.separator])
    rng, k = np.random.default_rng(seed), aligned.digits
    shape = (len(columns), k)
    fall, size, changed = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for part in batches(aligned, rows):
        gold = aligned.tokens[part, aligned.answer : aligned.answer + k]
        plain, best = _at_answer(stream, aligned, part, gold)
        for number, column in enumerate(columns.tolist()):
            other = _others(aligned.tokens[:, column], part, rng)
            swapped, then = _at_answer(stream, aligned, part, gold, column, other)
            fall[number] += (plain - swapped).sum(0)
            size[number] += np.abs(plain - swapped).sum(0)
            changed[number] += (best != then).sum(0)
    names = aligned.names
    return Attribution(
        tuple(names[column] for column in columns),
        names[aligned.answer : aligned.answer + k],
        fall / len(rows),
        size / len(rows),
        changed / len(rows),
        len(rows),
    )


def _others(
    tokens: NDArray[np.int64], rows: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """[n] tokens that stand in a column of other examples, as often as there, but never its own."""
    own, drawn = tokens[rows], rng.choice(tokens, len(rows))
    while (same := drawn == own).any():
        drawn[same] = rng.choice(tokens, int(same.sum()))
    return drawn


def _at_answer(
    stream: ResidualStream,
    aligned: AlignedExamples,
    rows: NDArray[np.int64],
    gold: NDArray[np.int64],
    column: int | None = None,
    tokens: NDArray[np.int64] | None = None,
) -> tuple[Grid, NDArray[np.int64]]:
    """([n, K] logits of the gold tokens less the mean logit, [n, K] arg-max)."""
    ids, positions = aligned.rows(rows)
    if column is not None:
        ids[np.arange(len(rows)), aligned.columns[rows, column]] = torch.from_numpy(tokens)
    device = next(stream.lm.parameters()).device
    logits = stream.forward(ids.to(device), None if positions is None else positions.to(device))
    where = aligned.columns[rows, aligned.answer - 1 :][:, : aligned.digits]
    at = logits[torch.arange(len(rows))[:, None], torch.from_numpy(where)].float().cpu()
    # Logits have no zero: what moves all of them alike says nothing.
    centred = at - at.mean(-1, keepdim=True)
    right = centred.gather(2, torch.from_numpy(gold)[..., None])[..., 0]
    return right.double().numpy(), at.argmax(-1).numpy()
