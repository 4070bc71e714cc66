"""What a model writes greedily: one teacher-forced pass, and decoding from the divergence on.

n examples, T supervised tokens of them all.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.curriculum.removal import Batch
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.staged_examples import Ints, StagedExamples
from icot_tui.engine.loop.update import send
from icot_tui.errors import Check
from icot_tui.models.supervised import SupervisedLM

TOKENS_IN_CACHE = 1024
"""Tokens a forward pass and CPU thread: with more, the activations of small models spill over."""


@dataclass(frozen=True)
class GoldPass:
    """What the pass found."""

    example: Ints  # [T] which of the n examples a supervised token belongs to
    place: Ints  # [T] its place among the example's supervised tokens
    hit: NDArray[np.bool_]  # [T] is the arg-max the gold token?
    losses: NDArray[np.float64]  # [n] nats, summed over an example's tokens
    divergence: Ints  # [n] place of the first arg-max that is another token; -1 without one
    chosen: Ints  # [n] the arg-max there
    expected: Ints  # [n] the gold token there


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
    counts = examples.target_lengths[order]
    return _summed_up(order, counts, _fetch(nll), _fetch(best), np.concatenate(targets))


def score(model: SupervisedLM, batch: Batch) -> tuple[Tensor, Tensor]:
    """([N], [N]) negative log-likelihood of each supervised token, and the arg-max in its place."""
    device = next(model.parameters()).device
    ids, positions, states, targets = batch.model_inputs()
    sent = None if positions is None else send(positions, device)
    return model.score(send(ids, device), sent, send(states, device), send(targets, device))


def _rows_at_once(model: SupervisedLM, longest: int, batch_size: int) -> int:
    if next(model.parameters()).device.type != "cpu":
        return batch_size
    return min(batch_size, max(1, TOKENS_IN_CACHE * torch.get_num_threads() // longest))


def _summed_up(
    order: Ints, lengths: Ints, nll: NDArray[np.float32], best: Ints, targets: Ints
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
    return torch.cat(parts).cpu().numpy() if parts else np.zeros(0)


@dataclass(eq=False)
class GreedyWriter:
    """Gives the tokens that greedy decoding writes, and remembers them.

    Up to the divergence they are the gold tokens (docs/evaluation.md).
    """

    model: SupervisedLM
    examples: StagedExamples
    gold: GoldPass
    batch_size: int
    check: Check
    _known: dict[int, list[int]] = field(default_factory=dict)

    def written(self, rows: Ints) -> list[list[int]]:
        """All tokens that the model writes after the prompts of some examples."""
        new = np.array([row for row in rows.tolist() if row not in self._known], dtype=np.int64)
        divergence = self.gold.divergence[new]
        decoded = (divergence >= 0) & (divergence < self.examples.budgets[new])
        self._known |= zip(new[~decoded].tolist(), self._gold_tokens(new[~decoded]), strict=True)
        self._known |= zip(new[decoded].tolist(), self._decode(new[decoded]), strict=True)
        return [self._known[row] for row in rows.tolist()]

    def _gold_tokens(self, rows: Ints) -> list[list[int]]:
        """The gold tokens, cut off where the budget ends."""
        batch = self.examples.batch(rows)
        ends = np.minimum(batch.lengths, batch.prompt_lengths + self.examples.budgets[rows])
        return [
            ids[begin:end].tolist()
            for ids, begin, end in zip(batch.ids, batch.prompt_lengths, ends, strict=True)
        ]

    def _decode(self, rows: Ints) -> list[list[int]]:
        """The gold tokens up to the divergence, and what the model writes from there."""
        examples, gold = self.examples, self.gold
        separators = examples.token_format.separators
        divergence, chosen = gold.divergence[rows], gold.chosen[rows]
        prefixes = examples.prefixes(rows, divergence + 1)
        prefixes.ids[:, -1:] = chosen[:, None]
        before = (divergence > examples.cot_lengths[rows]).astype(np.int64)
        prefixes = replace(prefixes, separators=before + separators.closings(chosen))
        lm, size = self.model.lm, self.batch_size
        written = decode(lm, prefixes, separators, batch_size=size, check=self.check)
        return [
            prefixes.ids[row, -1 - divergence[row] :].tolist() + written.row(row)
            for row in range(len(rows))
        ]
