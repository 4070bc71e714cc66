"""How well the tokens that go next are read before they are written, while a model is trained.

They are read from the last position ahead of the first of them, which stays when they go: at every
layer, by linear probes in closed form (`linear_probe.py`), beside the same probes with shuffled
labels and the most common token's share. No later position reads the last layer's output, which
holds the token anyway where it is about to be written: the best layer is chosen among the others.

n examples, P = layers + 1 places, H width, T tokens.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.curriculum.removal import TokenFormat, removed_tokens, tokens_to_go
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.evaluate import eval_mode
from icot_tui.engine.evaluation.linear_probe import (
    ProbeTargets,
    constant_scores,
    folds,
    probe_with_best,
)
from icot_tui.engine.journal.events import NextTokensProbed
from icot_tui.models.residual_stream import ResidualStream, Site, forward
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import unadapted

Ints = NDArray[np.int64]

EXAMPLES, FEWEST = 400, 100
"""Held-out examples that are looked at, at most; with fewer than the second nothing is said."""
MOST_TOKENS = 8
"""Of more that go at once, the first ones are read."""
CLASSES = 32
"""Of a token that has more values, the rarer ones count as one."""
BATCH_TOKENS = 8192
"""Tokens a forward pass."""


@dataclass(frozen=True, eq=False)
class NextTokenProbe:
    """Looks into the model in training; neither weights nor random generators change."""

    model: SupervisedLM
    stream: ResidualStream
    split: EncodedSplit
    token_format: TokenFormat

    @classmethod
    def of(
        cls, model: SupervisedLM, split: EncodedSplit, token_format: TokenFormat
    ) -> "NextTokenProbe":
        """A `UserError` says why a model cannot be looked into."""
        return cls(model, ResidualStream(model.lm), split, token_format)

    def measure(self, step: int, before: int, after: int) -> NextTokensProbed:
        """Of what goes when the stage rises from `before` to `after`."""
        began = time.perf_counter()
        rows = self._rows(before, after)
        going = tokens_to_go(self.split, rows, before, after, self.token_format.plan)
        tokens = [_classes(column) for column in going.ids.T[:MOST_TOKENS]]
        found: dict[str, float] = {}
        layers: list[float] = []
        unknown = f"too few validation examples have any ({len(rows):,})"
        if len(rows) >= FEWEST:
            x = self._activations(rows, before, going.read_at)
            unknown = "" if x.isfinite().all() else "the hidden states are not finite"
            if not unknown:
                found, layers = _scores(x, tokens, folds(self._prompts(rows)), (before, after))
        return NextTokensProbed(
            step=step,
            before=before,
            stage=after,
            unit=self.token_format.plan.unit,
            tokens=len(tokens),
            examples=len(rows),
            readable=found.get("readable"),
            shuffled=found.get("shuffled"),
            majority=found.get("majority"),
            layers=layers,
            seconds=time.perf_counter() - began,
            unknown=unknown,
        )

    def _rows(self, before: int, after: int) -> Ints:
        """[n] examples that lose a token."""
        every, plan = np.arange(len(self.split)), self.token_format.plan
        first, second = (removed_tokens(self.split, every, at, plan) for at in (before, after))
        return np.flatnonzero(second > first)[:EXAMPLES]

    def _prompts(self, rows: Ints) -> Ints:
        """[n, L] the questions' tokens, filled up with -1."""
        lengths = self.split.prompt_lengths[rows].astype(np.int64)
        columns = np.arange(int(lengths.max(initial=0)))
        at = self.split.starts[rows][:, None] + columns  # of a short last row, beyond the end
        tokens = self.split.tokens[at.clip(max=len(self.split.tokens) - 1)].astype(np.int64)
        return np.where(columns < lengths[:, None], tokens, -1)

    @torch.no_grad()
    def _activations(self, rows: Ints, stage: int, read_at: Ints) -> Tensor:
        """[P, n, H] float32 on the CPU: embeddings and outputs of all blocks, where they are read.

        What follows there is not fed.
        """
        stream, width = self.stream, int(read_at.max()) + 1
        sites = [Site(0, "resid_pre")]
        sites += [Site(block, "resid_post") for block in range(len(stream.blocks))]
        batch = self.token_format.batch(self.split, rows, stage)
        decoder = unadapted(stream.lm).base_model
        parts: list[Tensor] = []
        size = max(1, BATCH_TOKENS // width)
        with eval_mode(self.model):
            for begin in range(0, len(rows), size):
                some = slice(begin, begin + size)
                ids = torch.from_numpy(batch.ids[some, :width])
                positions = None
                if batch.positions is not None:
                    positions = torch.from_numpy(batch.positions[some, :width])
                at = torch.from_numpy(read_at[some]).to(stream.device)
                with stream.picking(sites, at) as picked:
                    forward(decoder, ids, positions)
                parts.append(torch.stack([picked[site] for site in sites]).float().cpu())
        return torch.cat(parts, 1)


def _classes(ids: Ints) -> Ints:
    """[n] the tokens as classes from 0, the most common ones first."""
    _, where, counts = np.unique(ids, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    classes: Ints = np.minimum(rank[where.reshape(-1)], CLASSES - 1)
    return classes


def _scores(
    x: Tensor, tokens: list[Ints], part: Ints, seed: tuple[int, int]
) -> tuple[dict[str, float], list[float]]:
    """Means over the tokens: at the best layer, and at every place."""
    order = np.random.default_rng(seed).permutation(len(part))
    targets = ProbeTargets.of([*tokens, *(column[order] for column in tokens)], [])
    everywhere, best = probe_with_best(x, targets, part, eligible=len(x) - 1)
    real, count = slice(len(tokens)), len(tokens)
    constant = constant_scores(targets, part)
    found = {
        "readable": best.score[real].mean(),
        "shuffled": best.score[count:].mean(),
        "majority": constant.score[real].mean(),
    }
    layers = everywhere.score[real].mean(axis=0).round(6).tolist()
    return {name: round(float(share), 6) for name, share in found.items()}, layers
