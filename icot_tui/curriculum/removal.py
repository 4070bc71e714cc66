"""Which token ids remain: the one place where chain-of-thought tokens are removed.

Everything works on whole batches; B rows, L padded columns, N supervised tokens.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.steps import StepEnds
from icot_tui.data.tokenizing import Separators, separators
from icot_tui.errors import UserError
from icot_tui.units import Unit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Side = Literal["left", "right", "random"]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RemovalPlan:
    """How tokens are removed, the same for the whole run.

    A stage counts in `unit`: so many tokens, or the tokens of so many whole steps. `order` is the
    seeded order of positions for side "random": position j of every chain of thought goes before
    position k if order[j] < order[k], so that a later stage removes all that an earlier one did.
    `answer_only` is ICoT-KD's layout ` {x} SEP #### {y} SEP`: at every stage, the second separator
    goes with the whole chain of thought.
    """

    side: Side = "left"
    keep_positions: bool = False
    order: Ints | None = None
    answer_only: bool = False
    unit: Unit = "token"

    @classmethod
    def seeded(
        cls,
        side: Side,
        keep_positions: bool,
        max_cot_tokens: int,
        seed: int,
        unit: Unit = "token",
    ) -> "RemovalPlan":
        """The plan for chains of at most `max_cot_tokens`, with side "random" drawn from `seed`."""
        order = np.random.default_rng(seed).permutation(max_cot_tokens)
        return cls(side, keep_positions, order if side == "random" else None, unit=unit)

    def greatest_stage(self, split: EncodedSplit) -> int:
        """The stage from which on nothing is left of any chain of thought."""
        return int(self.greatest_stages(split).max(initial=0))

    def greatest_stages(self, split: EncodedSplit) -> Ints:
        """[N] the stage from which on nothing is left of each example's chain of thought."""
        return split.cot_lengths.astype(np.int64) if self.unit == "token" else _steps(split).counts

    def hidden(self, split: EncodedSplit, row: int, stage: int) -> list[int]:
        """Which places in the chain of an example are removed at a stage, in that order."""
        removed = int(removed_tokens(split, np.array([row]), stage, self).clip(min=0)[0])
        return self.removal_order(int(split.cot_lengths[row]))[:removed]

    def removal_order(self, cot_length: int) -> list[int]:
        """Positions of a chain of this many tokens in the order of their removal."""
        if self.order is not None:
            order: list[int] = np.argsort(self.order[:cot_length]).tolist()
            return order
        forwards = range(cot_length)
        return list(forwards if self.side == "left" else reversed(forwards))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Examples after removal, padded on the right.

    ids             [B, L] int64, padded with the separator
    positions       [B, L] int64 position ids; None where they simply count from 0
    lengths         [B] tokens of each row without padding
    prompt_lengths  [B] tokens of ` {x} SEP`
    cot_lengths     [B] chain-of-thought tokens still written; -1: nor the second separator
    index           [B] places of the rows in their split; -1 for a row that only fills up
    scheduled       [B] tokens (or steps) to be removed of each, however many it had; s + o
    """

    ids: Ints
    positions: Ints | None
    lengths: Ints
    prompt_lengths: Ints
    cot_lengths: Ints
    index: Ints
    scheduled: Ints

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def supervised_tokens(self) -> int:
        """N: everything after the first separator is supervised."""
        return int((self.lengths - self.prompt_lengths).sum())

    def supervised(self) -> tuple[Ints, Ints]:
        """([N], [N]): indices into the flattened [B * L] states that predict, and their targets."""
        columns = np.arange(self.ids.shape[1])
        is_target = (columns >= self.prompt_lengths[:, None]) & (columns < self.lengths[:, None])
        at = np.flatnonzero(is_target)
        return at - 1, self.ids.reshape(-1)[at]

    def model_inputs(self) -> tuple[Ints, Ints | None, Ints, Ints]:
        """([B, L-1], [B, L-1], [N], [N]): ids and positions that a model is given, which of the
        flattened [B * (L-1)] states predict, and their targets.

        The last column predicts nothing, and no other column sees it.
        """
        states, targets = self.supervised()
        states -= states // self.ids.shape[1]  # one column less in each row
        positions = None if self.positions is None else self.positions[:, :-1]
        return self.ids[:, :-1], positions, states, targets

    def rows(self, where: slice | NDArray[np.bool_] | Ints) -> "Batch":
        """Some of the rows, with columns that are padding in all of them cut off."""
        lengths = self.lengths[where]
        width = int(lengths.max(initial=0))
        positions = None if self.positions is None else self.positions[where, :width]
        return Batch(
            ids=self.ids[where, :width],
            positions=positions,
            lengths=lengths,
            prompt_lengths=self.prompt_lengths[where],
            cot_lengths=self.cot_lengths[where],
            index=self.index[where],
            scheduled=self.scheduled[where],
        )


def removed_tokens(
    split: EncodedSplit, rows: Ints, scheduled: Ints | int, plan: RemovalPlan
) -> Ints:
    """[B] tokens removed of each row, min(s + o, m), or those of so many of its steps.

    `scheduled` is s + o, for all or for each. A UserError if the ends of steps are not known.
    """
    cot = split.cot_lengths[rows].astype(np.int64)
    if plan.answer_only:
        return cot + 1
    if plan.unit == "token":
        return np.minimum(scheduled, cot)
    return _steps(split).removed_tokens(rows, scheduled, from_end=plan.side == "right")


def _steps(split: EncodedSplit) -> StepEnds:
    if split.steps is None:
        raise UserError(
            "where the steps of these chains of thought end is not known, but steps are removed: "
            "set data.step_end, or give chains as lists of steps"
        )
    return split.steps


def remove(
    split: EncodedSplit, rows: Ints, scheduled: Ints | int, plan: RemovalPlan, pad_id: int
) -> Batch:
    """Rows [B] of a split without the tokens that the stage and the offsets remove.

    `scheduled` is s + o, one number or [B]. `pad_id` fills the rows up; it is never supervised, and
    never seen by a causal model's loss.
    """
    removed = removed_tokens(split, rows, scheduled, plan)  # [B]
    prompt = split.prompt_lengths[rows].astype(np.int64)  # [B]
    cot = split.cot_lengths[rows].astype(np.int64)  # [B]
    whole = split.starts[rows + 1] - split.starts[rows]  # [B]

    columns = np.arange(int(whole.max(initial=0)))  # [W], W columns before removal
    exists = columns < whole[:, None]  # [B, W]
    place = columns - prompt[:, None]  # [B, W] position within the chain of thought
    gone = _gone(place, removed, cot, plan)
    kept = exists & ~gone

    lengths = whole - removed
    filled = np.arange(int(lengths.max(initial=0))) < lengths[:, None]  # [B, L]
    flat = np.minimum(split.starts[rows][:, None] + columns, len(split.tokens) - 1)
    ids = np.full(filled.shape, pad_id, dtype=np.int64)
    ids[filled] = split.tokens[flat[kept]]  # row by row, in order: this closes the gaps

    positions = None
    if plan.keep_positions:
        positions = np.zeros(filled.shape, dtype=np.int64)
        positions[filled] = _kept_positions(columns, prompt, removed, cot, plan.side)[kept]
    return Batch(
        ids=ids,
        positions=positions,
        lengths=lengths,
        prompt_lengths=prompt,
        cot_lengths=cot - removed,
        index=rows,
        scheduled=np.broadcast_to(np.asarray(scheduled, dtype=np.int64), rows.shape),
    )


@dataclass(frozen=True)
class TokensToGo:
    """What a rise of the stage removes of some rows.

    ids      [B, K] the tokens, in the order in which they stand; -1 where a row loses fewer
    read_at  [B] in the rows as they are before it, the place of the last token ahead of these
    """

    ids: Ints
    read_at: Ints


def tokens_to_go(
    split: EncodedSplit, rows: Ints, before: int, after: int, plan: RemovalPlan
) -> TokensToGo:
    """What is removed of rows [B] when the stage rises from `before` to `after`.

    Of a row that loses nothing, `read_at` is its last token.
    """
    prompt = split.prompt_lengths[rows].astype(np.int64)  # [B]
    cot = split.cot_lengths[rows].astype(np.int64)  # [B]
    whole = split.starts[rows + 1] - split.starts[rows]  # [B]
    columns = np.arange(int(whole.max(initial=0)))  # [W]
    place = columns - prompt[:, None]  # [B, W]
    first, second = (
        _gone(place, removed_tokens(split, rows, stage, plan), cot, plan)
        for stage in (before, after)
    )
    going = second & ~first  # [B, W]
    ahead = (columns < whole[:, None]) & ~first & (going.cumsum(axis=1) == 0)
    filled = np.arange(int(going.sum(axis=1).max(initial=0))) < going.sum(axis=1)[:, None]
    ids = np.full(filled.shape, -1, dtype=np.int64)
    flat = np.minimum(split.starts[rows][:, None] + columns, len(split.tokens) - 1)
    ids[filled] = split.tokens[flat[going]]
    return TokensToGo(ids, ahead.sum(axis=1) - 1)


def _gone(place: Ints, removed: Ints, cot: Ints, plan: RemovalPlan) -> NDArray[np.bool_]:
    """[B, W]: is this column a removed chain-of-thought token?"""
    removed, cot = removed[:, None], cot[:, None]
    if plan.side == "left":
        return (place >= 0) & (place < removed)
    if plan.side == "right":
        return (place >= cot - removed) & (place < cot)
    assert plan.order is not None
    inside = (place >= 0) & (place < cot)
    never = len(plan.order)
    order = np.where(inside, plan.order[np.clip(place, 0, never - 1)], never)
    last_to_go = np.take_along_axis(np.sort(order, axis=1), np.maximum(removed - 1, 0), axis=1)
    return inside & (order <= last_to_go) & (removed > 0)


def _kept_positions(columns: Ints, prompt: Ints, removed: Ints, cot: Ints, side: Side) -> Ints:
    """[B, W] original position ids, but the token just before the gap moves up to its end.

    The published code (`keep_position`) does so, and its checkpoints expect it.
    """
    first_gone = prompt if side == "left" else prompt + cot - removed
    before_gap = (columns == first_gone[:, None] - 1) & (removed[:, None] > 0)
    moved: Ints = columns + before_gap * removed[:, None]
    return moved


@dataclass(frozen=True)
class TokenFormat:
    """How a model reads and writes examples: tokenizer, end-of-text, what is removed."""

    tokenizer: "PreTrainedTokenizerBase"
    separator_id: int
    plan: RemovalPlan

    @cached_property
    def separators(self) -> Separators:
        """The tokenizer's."""
        return separators(self.tokenizer)

    def batch(self, split: EncodedSplit, rows: Ints, scheduled: Ints | int) -> Batch:
        """Rows of a split after removal, padded with the separator; see `remove`."""
        return remove(split, rows, scheduled, self.plan, self.separator_id)
