"""Batched greedy decoding with a key-value cache, for any causal language model of transformers.

B rows, L padded columns, W tokens that may be written. Rows of different lengths are padded on the
left, so that every row writes in the same column; padding is masked, and position ids are given,
so that a row's logits are those of the row alone.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.cancellation import Check, never_cancelled
from icot_tui.curriculum.removal import Batch, RemovalPlan, remove, removed_tokens
from icot_tui.data.encoded import EncodedSplit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CLOSING = 2
"""Separators that end an answer: one after the chain of thought, one after the answer."""
SPARE_TOKENS = 8
"""Budget beyond the longest gold continuation, unless evaluation.max_new_tokens says otherwise."""
STEPS_BETWEEN_LOOKS = 4
"""Decoding steps between looks at which rows are done; on a CPU, where looking is free, 1."""


@dataclass(frozen=True)
class PositionShift:
    """Position ids after removal: from token `start` of its row on, `tokens` more than the index.

    A function of how many tokens stand before, so that it holds for tokens not yet written. It
    gives exactly the ids of `curriculum.removal.remove`. With side "right" the gap follows what is
    left of the chain of thought, and its place is known from the gold length only: a model that
    writes a longer or shorter one meets the gap where training would have had it.

    start   [B] the first token that is shifted: the one just before the gap
    tokens  [B] by how much; 0 without kept positions
    """

    start: NDArray[np.int64]
    tokens: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        plan: RemovalPlan,
        prompt_lengths: NDArray[np.int64],
        cot_lengths: NDArray[np.int64],
        removed: NDArray[np.int64],
    ) -> "PositionShift":
        """For [B] rows with prompts ` {x} SEP`, `cot_lengths` tokens left and `removed` gone."""
        before_gap = prompt_lengths if plan.side == "left" else prompt_lengths + cot_lengths
        return cls(before_gap - 1, removed if plan.keep_positions else np.zeros_like(removed))

    def positions(self, columns: int) -> NDArray[np.int64]:
        """[B, columns] position ids of rows that begin in column 0."""
        index = np.arange(columns)
        shifted: NDArray[np.int64] = index + (index >= self.start[:, None]) * self.tokens[:, None]
        return shifted

    def rows(self, where: NDArray[np.int64]) -> "PositionShift":
        """Some of the rows."""
        return PositionShift(self.start[where], self.tokens[where])


@dataclass(frozen=True)
class Prefixes:
    """Rows to be continued.

    ids         [B, L] int64, padded on the left
    lengths     [B] tokens of each row without padding
    shift       position ids
    separators  [B] separators already written after the prompt
    budgets     [B] most tokens still to be written
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    shift: PositionShift
    separators: NDArray[np.int64]
    budgets: NDArray[np.int64]

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Sequence[int]],
        shift: PositionShift,
        separators: NDArray[np.int64],
        budgets: NDArray[np.int64],
    ) -> "Prefixes":
        """Prefixes given as lists of token ids."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        ids = np.zeros((len(rows), int(lengths.max(initial=0))), dtype=np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[len(line) - len(row) :] = row
        return cls(ids, lengths, shift, separators, budgets)

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, where: NDArray[np.int64]) -> "Prefixes":
        """Some of the rows, with columns that are padding in all of them cut off."""
        lengths = self.lengths[where]
        width = int(lengths.max(initial=0))
        return Prefixes(
            self.ids[where, self.ids.shape[1] - width :],
            lengths,
            self.shift.rows(where),
            self.separators[where],
            self.budgets[where],
        )


@dataclass(frozen=True)
class StagedExamples:
    """What is known of n examples at a stage before the model is asked.

    index    [n] their places in the split
    prompt   [n] tokens of ` {x} SEP`
    cot      [n] chain-of-thought tokens that the model has to write; -1: nor the second separator
    gold     [n] all tokens that the model has to write
    budgets  [n] the most tokens it may write
    shift    position ids
    """

    split: EncodedSplit
    stage: int
    plan: RemovalPlan
    separator_id: int
    index: NDArray[np.int64]
    prompt: NDArray[np.int64]
    cot: NDArray[np.int64]
    gold: NDArray[np.int64]
    budgets: NDArray[np.int64]
    shift: PositionShift

    @classmethod
    def of(
        cls,
        split: EncodedSplit,
        index: NDArray[np.int64],
        stage: int,
        plan: RemovalPlan,
        separator_id: int,
        most_tokens: int | None,
        position_table: int | None,
    ) -> "StagedExamples":
        """Examples of a split.

        Args:
            split: all examples.
            index: which of them.
            stage: tokens removed, without smoothing.
            plan: side, kept positions.
            separator_id: the end-of-text token.
            most_tokens: budget of every row; None: the split's longest, and SPARE_TOKENS more.
            position_table: ids that the model has; rows that would leave it stop before.
        """
        removed = removed_tokens(split, index, stage, plan)
        prompt = split.prompt_lengths[index].astype(np.int64)
        cot = split.cot_lengths[index] - removed
        gold = split.lengths[index] - prompt - removed
        shift = PositionShift.of(plan, prompt, cot, removed)
        budgets = np.full(len(index), most_tokens or _longest(split, stage, plan) + SPARE_TOKENS)
        if position_table is not None:  # the gold tokens fit in any case
            room = position_table - prompt - shift.tokens
            budgets = np.minimum(budgets, np.maximum(room, gold))
        return cls(split, stage, plan, separator_id, index, prompt, cot, gold, budgets, shift)

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, where: NDArray[np.int64]) -> Batch:
        """Gold rows at the stage."""
        return remove(self.split, self.index[where], self.stage, self.plan, self.separator_id)

    def prefixes(self, where: NDArray[np.int64], kept: NDArray[np.int64]) -> Prefixes:
        """[B] prompts, each with the first `kept` tokens that the model should write."""
        gold, lengths = self.batch(where).ids, self.prompt[where] + kept
        width = int(lengths.max(initial=0))
        from_left = np.maximum(np.arange(width) - (width - lengths[:, None]), 0)
        return Prefixes(
            np.take_along_axis(gold[:, :width], from_left, axis=1),
            lengths,
            self.shift.rows(where),
            (kept > self.cot[where]).astype(np.int64) + (kept == self.gold[where]),
            self.budgets[where] - kept,
        )

    def answer_section(self, row: int) -> list[int]:
        """The gold tokens between the two separators: `#### {y}`."""
        index = self.index[row]
        begin = self.prompt[row] + self.split.cot_lengths[index] + 1
        section: list[int] = self.split.example(index)[begin:-1].tolist()
        return section


def _longest(split: EncodedSplit, stage: int, plan: RemovalPlan) -> int:
    """Most tokens that the model has to write, over the whole split and not only a shard."""
    removed = removed_tokens(split, np.arange(len(split)), stage, plan)
    return int((split.lengths - split.prompt_lengths - removed).max(initial=0))


@dataclass(frozen=True)
class Written:
    """What the model wrote after each prefix.

    tokens  [B, W] int64; what lies beyond a row's count has no meaning
    counts  [B] tokens written, the closing separator included
    """

    tokens: NDArray[np.int64]
    counts: NDArray[np.int64]

    def row(self, index: int) -> list[int]:
        """One row's tokens."""
        tokens: list[int] = self.tokens[index, : self.counts[index]].tolist()
        return tokens


Choice = Callable[[Tensor], Tensor]
"""Says which tokens are written next: [b, V] logits -> [b] ids."""


def arg_max(logits: Tensor) -> Tensor:
    """The greedy choice."""
    return logits.argmax(-1)


def decode_greedily(
    lm: "PreTrainedModel",
    prefixes: Prefixes,
    separator_id: int,
    device: torch.device | str,
    batch_size: int = 256,
    check: Check = never_cancelled,
) -> Written:
    """Continue each prefix with the arg-max; see `decode`."""
    return decode(lm, prefixes, separator_id, device, arg_max, batch_size, check)


def decode(
    lm: "PreTrainedModel",
    prefixes: Prefixes,
    separator_id: int,
    device: torch.device | str,
    choose: Choice,
    batch_size: int = 256,
    check: Check = never_cancelled,
) -> Written:
    """Continue each prefix until `CLOSING` separators or its budget is reached.

    Args:
        lm: the model, in evaluation mode.
        prefixes: the rows; long and short ones go into batches of their own kind.
        separator_id: the end-of-text token.
        device: where the model is.
        choose: the next tokens; called once a step and batch, with its open rows only.
        batch_size: rows a batch.
        check: called every few steps.
    """
    width = int(prefixes.budgets.max(initial=0))
    tokens = np.full((len(prefixes), width), separator_id, dtype=np.int64)
    counts = np.zeros(len(prefixes), dtype=np.int64)
    open_rows = np.flatnonzero((prefixes.separators < CLOSING) & (prefixes.budgets > 0))
    by_length = open_rows[np.argsort(-prefixes.lengths[open_rows], kind="stable")]
    for begin in range(0, len(by_length), batch_size):
        batch = by_length[begin : begin + batch_size]
        written = _decode_batch(lm, prefixes.rows(batch), separator_id, device, choose, check)
        tokens[batch, : written.tokens.shape[1]] = written.tokens
        counts[batch] = written.counts
    return Written(tokens, counts)


@dataclass(frozen=True)
class _OpenRows:
    """The b rows of a batch that still write, on the device.

    place                      [b] their rows in the batch
    next_index                 [b] index in its row of the token written next
    shift_start, shift_tokens  [b] see PositionShift
    separators, budgets        [b] see Prefixes
    seen                       [b, L + W] columns that may be attended to, once they are filled
    """

    place: Tensor
    next_index: Tensor
    shift_start: Tensor
    shift_tokens: Tensor
    separators: Tensor
    budgets: Tensor
    seen: Tensor

    def only(self, where: Tensor) -> "_OpenRows":
        return _OpenRows(*(getattr(self, field.name)[where] for field in fields(self)))

    def positions(self, index: Tensor) -> Tensor:
        """Position ids of the tokens at `index` [b, C] of their rows; padding has negative ones."""
        shifted = (index >= self.shift_start[:, None]) * self.shift_tokens[:, None]
        return (index + shifted).clamp(min=0)


@torch.no_grad()
def _decode_batch(
    lm: "PreTrainedModel",
    prefixes: Prefixes,
    separator_id: int,
    device: torch.device | str,
    choose: Choice,
    check: Check,
) -> Written:
    batch, columns = prefixes.ids.shape
    steps = int(prefixes.budgets.max())
    rows = _open(prefixes, steps, device)
    padded = bool((prefixes.lengths < columns).any())
    forward = _Forward(lm)
    every = 1 if torch.device(device).type == "cpu" else STEPS_BETWEEN_LOOKS

    tokens = torch.full((batch, steps), separator_id, device=device)
    counts = torch.zeros(batch, dtype=torch.long, device=device)
    done = torch.zeros(batch, dtype=torch.bool, device=device)
    ids = torch.from_numpy(prefixes.ids).to(device)
    index = torch.arange(columns, device=device) - (columns - rows.next_index[:, None])
    for step in range(steps):
        seen = rows.seen[:, : columns + step] if padded else None
        best = choose(forward(ids, seen, rows.positions(index)))  # [b]
        tokens[rows.place, step] = best
        counts[rows.place] += ~done
        separators = rows.separators + (best == separator_id)
        done = done | (separators >= CLOSING) | (rows.budgets <= step + 1)
        index = rows.next_index[:, None]
        # A row that is done stays where it is: beyond its budget the position table may end.
        rows = replace(rows, separators=separators, next_index=rows.next_index + ~done)
        ids = best[:, None]
        if (step + 1) % STEPS_BETWEEN_LOOKS == 0:
            check()
        if (step + 1) % every == 0:
            alive = torch.nonzero(~done)[:, 0]  # waits for the device
            if not len(alive):
                break
            if len(alive) < len(done):
                rows, index, ids, done = rows.only(alive), index[alive], ids[alive], done[alive]
                forward.keep(alive)
    return Written(tokens.cpu().numpy(), counts.cpu().numpy())


def _open(prefixes: Prefixes, steps: int, device: torch.device | str) -> _OpenRows:
    def put(values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    batch, columns = prefixes.ids.shape
    lengths = put(prefixes.lengths)
    return _OpenRows(
        place=torch.arange(batch, device=device),
        next_index=lengths,
        shift_start=put(prefixes.shift.start),
        shift_tokens=put(prefixes.shift.tokens),
        separators=put(prefixes.separators),
        budgets=put(prefixes.budgets),
        seen=torch.arange(columns + steps, device=device) >= columns - lengths[:, None],
    )


class _Forward:
    """The model with its cache: logits of the last column, which is never padding."""

    def __init__(self, lm: "PreTrainedModel") -> None:
        plain = (
            lm.get_base_model() if hasattr(lm, "get_base_model") else lm
        )  # within PEFT's wrapper
        accepted = inspect.signature(plain.forward).parameters
        self._lm = lm
        self._takes_positions = "position_ids" in accepted
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._cache = None

    def __call__(self, ids: Tensor, seen: Tensor | None, positions: Tensor) -> Tensor:
        """[b, V] logits after `ids` [b, C]; `seen` [b, columns so far], None without padding."""
        out = self._lm(
            input_ids=ids,
            attention_mask=seen,
            past_key_values=self._cache,
            use_cache=True,
            **({"position_ids": positions} if self._takes_positions else {}),
            **self._options,
        )
        self._cache = out.past_key_values
        logits: Tensor = out.logits[:, -1]
        return logits

    def keep(self, rows: Tensor) -> None:
        """Forget the other rows."""
        self._cache.batch_select_indices(rows)  # type: ignore[attr-defined]
