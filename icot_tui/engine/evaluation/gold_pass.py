"""The gold pass: one teacher-forced pass that tells where greedy decoding leaves the gold tokens.

n examples, T supervised tokens of them all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.curriculum.removal import Batch
from icot_tui.engine.evaluation.staged_examples import StagedExamples
from icot_tui.errors import Check
from icot_tui.models.supervised import SupervisedLM

TOKENS_IN_CACHE = 1024
"""Tokens a forward pass and CPU thread: with more, the activations of small models spill over."""


@dataclass(frozen=True)
class GoldPass:
    """What the pass found.

    example     [T] which of the n examples a supervised token belongs to
    place       [T] its place among the example's supervised tokens
    hit         [T] is the arg-max the gold token?
    losses      [n] nats, summed over an example's tokens
    divergence  [n] place of the first arg-max that is another token; -1 without one
    chosen      [n] the arg-max there
    expected    [n] the gold token there
    """

    example: NDArray[np.int64]
    place: NDArray[np.int64]
    hit: NDArray[np.bool_]
    losses: NDArray[np.float64]
    divergence: NDArray[np.int64]
    chosen: NDArray[np.int64]
    expected: NDArray[np.int64]


def run_gold_pass(
    model: SupervisedLM, examples: StagedExamples, batch_size: int, check: Check
) -> GoldPass:
    """Score the gold rows in batches of similar lengths; the device is waited for at the end."""
    lengths = examples.lengths
    order = np.argsort(-lengths, kind="stable")
    nll, best, targets = [], [], [np.zeros(0, dtype=np.int64)]
    begin = 0
    while begin < len(order):
        check()
        size = _rows_at_once(model, int(lengths[order[begin]]), batch_size)
        rows = order[begin : begin + size]
        begin += size
        batch = examples.batch(rows)
        found = score(model, batch)
        nll.append(found[0])
        best.append(found[1])
        targets.append(batch.supervised()[1])
    return _summed_up(
        order, examples.target_lengths[order], _fetch(nll), _fetch(best), np.concatenate(targets)
    )


def score(model: SupervisedLM, batch: Batch) -> tuple[Tensor, Tensor]:
    """([N], [N]) negative log-likelihood of each supervised token, and the arg-max in its place."""
    device = next(model.parameters()).device

    def put(values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    ids, positions, states, targets = batch.model_inputs()
    shifted = None if positions is None else put(positions)
    return model.score(put(ids), shifted, put(states), put(targets))


def _rows_at_once(model: SupervisedLM, longest: int, batch_size: int) -> int:
    if next(model.parameters()).device.type != "cpu":
        return batch_size
    return min(batch_size, max(1, TOKENS_IN_CACHE * torch.get_num_threads() // longest))


def _summed_up(
    order: NDArray[np.int64],
    lengths: NDArray[np.int64],
    nll: NDArray[np.float32],
    best: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> GoldPass:
    """From [T] values of the examples in this order, and their [n] numbers of tokens."""
    begins = np.cumsum(lengths) - lengths
    token = np.arange(len(targets))
    hit = best == targets
    losses = np.zeros(len(order))
    divergence, chosen, expected = (np.full(len(order), -1) for _ in range(3))
    if len(order):
        losses[order] = np.add.reduceat(nll.astype(np.float64), begins)
        first = np.minimum.reduceat(np.where(hit, len(token), token), begins)
        diverged = first < len(token)
        first, rows = first[diverged], order[diverged]
        divergence[rows] = first - begins[diverged]
        chosen[rows], expected[rows] = best[first], targets[first]
    return GoldPass(
        example=np.repeat(order, lengths),
        place=token - np.repeat(begins, lengths),
        hit=hit,
        losses=losses,
        divergence=divergence,
        chosen=chosen,
        expected=expected,
    )


def _fetch(parts: list[Tensor]) -> NDArray[Any]:
    """Parts from the device as one array."""
    return torch.cat(parts).cpu().numpy() if parts else np.zeros(0)
