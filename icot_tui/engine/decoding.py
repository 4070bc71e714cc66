"""Batched greedy decoding with a key-value cache, and reading the answers that it wrote.

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

from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.data.examples import ANSWER_MARK
from icot_tui.data.tokenizing import decode

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CLOSING = 2
"""Separators that end an answer: one after the chain of thought, one after the answer."""
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


def decode_greedily(
    lm: "PreTrainedModel",
    prefixes: Prefixes,
    separator_id: int,
    device: torch.device | str,
    batch_size: int = 256,
    between: Callable[[], None] | None = None,
) -> Written:
    """Continue each prefix with the arg-max until `CLOSING` separators or its budget is reached.

    Args:
        lm: the model, in evaluation mode.
        prefixes: the rows; long and short ones go into batches of their own kind.
        separator_id: the end-of-text token.
        device: where the model is.
        batch_size: rows a batch.
        between: called now and then; what it raises ends the decoding.
    """
    width = int(prefixes.budgets.max(initial=0))
    tokens = np.full((len(prefixes), width), separator_id, dtype=np.int64)
    counts = np.zeros(len(prefixes), dtype=np.int64)
    open_rows = np.flatnonzero((prefixes.separators < CLOSING) & (prefixes.budgets > 0))
    by_length = open_rows[np.argsort(-prefixes.lengths[open_rows], kind="stable")]
    for begin in range(0, len(by_length), batch_size):
        batch = by_length[begin : begin + batch_size]
        written = _decode_batch(lm, prefixes.rows(batch), separator_id, device, between)
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
    between: Callable[[], None] | None,
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
        best = forward(ids, seen, rows.positions(index)).argmax(-1)  # [b]
        tokens[rows.place, step] = best
        counts[rows.place] += ~done
        separators = rows.separators + (best == separator_id)
        done = done | (separators >= CLOSING) | (rows.budgets <= step + 1)
        index = rows.next_index[:, None]
        # A row that is done stays where it is: beyond its budget the position table may end.
        rows = replace(rows, separators=separators, next_index=rows.next_index + ~done)
        ids = best[:, None]
        if (step + 1) % every == 0:
            if between is not None:
                between()
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


class Answers:
    """Reads answers out of token ids: ` {z} SEP #### {y} SEP`, what follows ` {x} SEP`."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", separator_id: int) -> None:
        self._tokenizer = tokenizer
        self._separator_id = separator_id
        self._bare: dict[int, str] = {}

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, without blanks at the ends."""
        return decode(self._tokenizer, tokens)

    def section(self, written: Sequence[int]) -> Sequence[int] | None:
        """The tokens between the two separators; None when the second was not written."""
        parts = self.parts(written)
        return parts[1] if len(parts) > CLOSING else None

    def parts(self, written: Sequence[int]) -> list[Sequence[int]]:
        """The tokens before, between and after separators; one part more than separators."""
        parts, begin = [], 0
        for at, token in enumerate(written):
            if token == self._separator_id:
                parts.append(written[begin:at])
                begin = at + 1
        return [*parts, written[begin:]]

    def text(self, section: Sequence[int]) -> str | None:
        """The answer in the tokens between the separators; None without `####`."""
        _, mark, answer = self.decode(section).partition(ANSWER_MARK)
        return answer.strip() if mark else None

    def mark_length(self, section: Sequence[int]) -> int | None:
        """How many tokens it takes until `####` is written; None when it never is."""
        if ANSWER_MARK not in self.decode(section):
            return None
        return next(n for n in range(len(section) + 1) if ANSWER_MARK in self.decode(section[:n]))

    def never_equal(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[B] after equal tokens with `####` among them: can [B] different next tokens never lead
        to equal answers?

        Proof that it holds when it says so. Let u and v be the texts of the two tokens without any
        blanks. Tokenizers decode to the tokens' texts one after another, up to blanks (some drop
        a leading one, some join with one), so that without blanks the two answers read P u ... and
        P v ..., with P from the tokens before. If neither of u and v begins with the other, they
        differ at a character that both have, and so do the answers, whatever follows. If one of
        the tokens is the separator, its answer is P, and the other's P v ... is longer as soon as
        v is not empty. Texts that differ without blanks differ. Tokens that hold a part of a
        character (byte fallback) decode to U+FFFD or to nothing; of those nothing is claimed.
        """
        pairs, where = np.unique(np.stack([one, other]), axis=1, return_inverse=True)
        verdicts = [self._never_equal(*pair) for pair in pairs.T.tolist()]
        return np.array(verdicts, dtype=np.bool_)[where.reshape(-1)]

    def _never_equal(self, one: int, other: int) -> bool:
        u, v = self._bare_text(one), self._bare_text(other)
        if self._separator_id in (one, other):
            return bool(u if other == self._separator_id else v)
        return bool(u and v) and not u.startswith(v) and not v.startswith(u)

    def _bare_text(self, token: int) -> str:
        """Without blanks; empty where nothing can be said."""
        if token not in self._bare:
            text = "".join(self.decode([token]).split())
            self._bare[token] = "" if "\ufffd" in text else text
        return self._bare[token]
