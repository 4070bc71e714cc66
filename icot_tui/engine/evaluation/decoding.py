"""Batched decoding, for any causal language model of transformers, with its cache if that works.

B rows, b of them still open, L padded columns, W tokens that may be written, V words. Rows of
different lengths are padded on the left, so that every row writes in the same column; padding is
masked, and position ids are given, so that a row's logits are those of the row alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from icot_tui.data.tokenizing import Separators
from icot_tui.engine.evaluation.answers import CLOSING
from icot_tui.engine.evaluation.staged_examples import Ints, Prefixes
from icot_tui.engine.loop.update import send
from icot_tui.errors import Check, never_cancelled
from icot_tui.models.behaviour import next_logits
from icot_tui.models.supervised import arg_max

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STEPS_BETWEEN_CHECKS = 4
"""Steps after which finished rows are dropped (on a CPU, where this waits for nothing: 1)."""

NextTokens = Callable[[Tensor], Tensor]  # chooses the next tokens: [b, V] logits -> [b] ids


@dataclass(frozen=True)
class Continuations:
    """What the model wrote after each prefix."""

    tokens: Ints  # [B, W] int64; what lies beyond a row's count has no meaning
    counts: Ints  # [B] tokens written, the closing separator included

    def row(self, index: int) -> list[int]:
        tokens: list[int] = self.tokens[index, : self.counts[index]].tolist()
        return tokens


def decode(
    lm: "PreTrainedModel",
    prefixes: Prefixes,
    separators: Separators,
    choose: NextTokens = arg_max,
    batch_size: int = 256,
    check: Check = never_cancelled,
) -> Continuations:
    """Continue each prefix until `CLOSING` separators are written or its budget is spent.

    The model is in evaluation mode. Rows are batched by length; `choose` is called once a step and
    batch, with its open rows only, and `check` every few steps.
    """
    width = int(prefixes.budgets.max(initial=0))
    tokens = np.full((len(prefixes), width), separators.answer, dtype=np.int64)
    counts = np.zeros(len(prefixes), dtype=np.int64)
    open_rows = np.flatnonzero((prefixes.separators < CLOSING) & (prefixes.budgets > 0))
    by_length = open_rows[np.argsort(-prefixes.lengths[open_rows], kind="stable")]
    for begin in range(0, len(by_length), batch_size):
        rows = by_length[begin : begin + batch_size]
        written = _decode_batch(lm, prefixes.rows(rows), separators, choose, check)
        tokens[rows, : written.tokens.shape[1]] = written.tokens
        counts[rows] = written.counts
    return Continuations(tokens, counts)


@torch.no_grad()
def _decode_batch(
    lm: "PreTrainedModel",
    prefixes: Prefixes,
    separators: Separators,
    choose: NextTokens,
    check: Check,
) -> Continuations:
    device = next(lm.parameters()).device
    batch, columns = prefixes.ids.shape
    steps = int(prefixes.budgets.max())
    rows = _OpenRows.of(prefixes, steps, device)
    model = next_logits(lm)
    padded = bool((prefixes.lengths < columns).any())
    every = 1 if device.type == "cpu" else STEPS_BETWEEN_CHECKS

    tokens = torch.full((batch, steps), separators.answer, device=device)
    counts = torch.zeros(batch, dtype=torch.long, device=device)
    done = torch.zeros(batch, dtype=torch.bool, device=device)
    ids = torch.from_numpy(prefixes.ids).to(device)
    index = torch.arange(columns, device=device) - (columns - rows.next_index[:, None])
    for step in range(steps):
        visible = rows.visible[:, : columns + step] if padded else None
        chosen = choose(model.logits(ids, visible, rows.positions(index)))  # [b]
        tokens[rows.place, step] = chosen
        counts[rows.place] += ~done
        written = rows.separators + separators.closings(chosen)
        done = done | (written >= CLOSING) | (rows.budgets <= step + 1)
        index = rows.next_index[:, None]
        # A finished row stays where it is: beyond its budget the position table may end.
        rows = replace(rows, separators=written, next_index=rows.next_index + ~done)
        ids = chosen[:, None]
        if (step + 1) % STEPS_BETWEEN_CHECKS == 0:
            check()
        if (step + 1) % every == 0:
            alive = torch.nonzero(~done)[:, 0]  # waits for the device
            if not len(alive):
                break
            if len(alive) < len(done):
                rows, index, ids, done = rows.only(alive), index[alive], ids[alive], done[alive]
                model.keep(alive)
    return Continuations(tokens.cpu().numpy(), counts.cpu().numpy())


@dataclass(frozen=True)
class _OpenRows:
    """The b rows of a batch that are still written, on the device."""

    place: Tensor  # [b] their rows in the batch
    next_index: Tensor  # [b] index in its row of the token written next
    shift_start: Tensor  # [b] see PositionShift
    shift_tokens: Tensor  # [b] see PositionShift
    separators: Tensor  # [b] see Prefixes
    budgets: Tensor  # [b] see Prefixes
    visible: Tensor  # [b, L + W] columns that may be attended to, once they are filled

    @classmethod
    def of(cls, prefixes: Prefixes, steps: int, device: torch.device) -> "_OpenRows":
        batch, columns = prefixes.ids.shape
        lengths = send(prefixes.lengths, device)
        return cls(
            place=torch.arange(batch, device=device),
            next_index=lengths,
            shift_start=send(prefixes.shift.start, device),
            shift_tokens=send(prefixes.shift.tokens, device),
            separators=send(prefixes.separators, device),
            budgets=send(prefixes.budgets, device),
            visible=torch.arange(columns + steps, device=device) >= columns - lengths[:, None],
        )

    def only(self, where: Tensor) -> "_OpenRows":
        return _OpenRows(*(getattr(self, field.name)[where] for field in fields(self)))

    def positions(self, index: Tensor) -> Tensor:
        """Position ids of the tokens at `index` [b, C] of their rows; padding gets 0."""
        shifted = (index >= self.shift_start[:, None]) * self.shift_tokens[:, None]
        return (index + shifted).clamp(min=0)
