"""Continuous thoughts between a question and what follows it (arXiv 2412.06769, section 3).

Rows are read as ` {x} SEP START t_1 .. t_n END {z} SEP #### {y} SEP`. Each thought t_i is the last
hidden state of the position before it, fed back as an embedding; START and END are embeddings of
their own. The first thought of every row stands in one column, and so does END: a batch takes n + 1
passes that share one cache, and nothing is read twice. B rows, C columns, H width, V words.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from icot_tui.models.wrapped import CACHE, Arguments, cache_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MARKS = 2
"""START and END, which take a position each."""


@dataclass(frozen=True)
class ThoughtCounts:
    """How many thoughts the rows of a batch have.

    most     n of the row with most
    counts   [B] of each row; None where all have as many
    prompts  tokens of the shortest and the longest ` {x} SEP` of rows that begin in column 0; None:
             they are looked up, and the device is waited for
    """

    most: int
    counts: Tensor | None = None
    prompts: tuple[int, int] | None = None


class ThoughtCache(DynamicCache):  # type: ignore[misc]  # mypy takes it for Any
    """A cache some of whose columns may not be seen by some rows.

    visible  [B, columns of the first pass]; None where all may be seen
    """

    visible: Tensor | None = None

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        if self.visible is not None:
            self.visible = self.visible[indices]


class LatentReading:
    """Puts thoughts behind the first separator; see `Reading`.

    `thoughts_at` says how many there are at a stage, and `most` the most of any stage; `project`
    makes a thought of the hidden state before it. Positions count from 0 in each row.
    """

    def __init__(
        self,
        lm: "PreTrainedModel",
        marks: nn.Embedding,
        thoughts_at: Callable[[int], int],
        most: int,
        project: nn.Module | None = None,
    ) -> None:
        self.stage = 0
        self.thoughts_at = thoughts_at
        self.extra_positions = most + MARKS
        self._lm = lm
        self._marks = marks
        self._project = project or nn.Identity()

    def first_pass(
        self, decoder: Any, ids: Tensor, separators: Tensor, arguments: Arguments
    ) -> Any:
        """See `Reading`; the output has END's state in the place of SEP's.

        `arguments` may hold `thoughts`, a `ThoughtCounts`; without it they are the stage's. Where
        all logits are wanted, those before SEP, which predict nothing, are NaN.
        """
        batch = self._batch(ids, separators, arguments)
        before = [*batch.passes(self._lm.base_model, self._project)]
        out = batch.last_pass(decoder, arguments)
        if not arguments.get("logits_to_keep"):  # the last column is not before the separator
            name = next(iter(out))
            out[name] = batch.in_place(before, out[name])
        return out

    def later_pass(self, arguments: Arguments, tokens: int) -> Arguments:
        cache, positions = arguments[CACHE], arguments.get("position_ids")
        assert isinstance(cache, ThoughtCache)
        visible = cache.visible
        if visible is not None:
            more = cache.get_seq_length() + tokens - visible.shape[1]
            visible = nn.functional.pad(visible, (0, more), value=1)
        moved = None if positions is None else positions + self.thoughts_at(self.stage) + MARKS
        return arguments | {"attention_mask": visible, "position_ids": moved}

    def thoughts(self, ids: Tensor, separators: Tensor, arguments: Arguments) -> Tensor:
        """[B, n, H] the hidden states that become the thoughts of rows [B, C]; see `Reading`."""
        batch = self._batch(ids, separators, arguments)
        passes = batch.passes(self._lm.base_model, self._project)
        return torch.cat([batch.pending[:, :0], *(hidden[:, -1:] for hidden in passes)], dim=1)

    def _batch(self, ids: Tensor, separators: Tensor, arguments: Arguments) -> "_ThinkingBatch":
        counts = arguments.pop("thoughts", None) or ThoughtCounts(self.thoughts_at(self.stage))
        mask = arguments.get("attention_mask")
        return _ThinkingBatch(ids, separators, mask, counts, (self._lm, self._marks))


class _ThinkingBatch:
    """Rows whose first thoughts stand in one column, and the passes over them.

    P tokens of the longest prompt ` {x} SEP`; the last pass reads the T last columns, from the
    first SEP on, with END in the place of SEP.
    """

    def __init__(
        self,
        ids: Tensor,
        separators: Tensor,
        mask: Tensor | None,
        counts: ThoughtCounts,
        model: tuple["PreTrainedModel", nn.Embedding],
    ) -> None:
        lm, marks = model
        words = lm.get_input_embeddings()
        begins = torch.zeros_like(separators) if mask is None else mask.int().argmax(dim=1)
        lengths, at = separators - begins + 1, separators[:, None]
        shortest, longest, first, last = _extent(separators, lengths, counts)
        self.cache = ThoughtCache(config=lm.config)
        self._cache_name = cache_name(lm)
        self.counts = counts
        self._separators = at
        self._columns = torch.arange(ids.shape[1], device=ids.device)
        self._prompt, self._first = longest, first
        source = at - longest + 1 + self._columns[:longest]  # [B, P]; the separator comes last
        end, start = marks.weight[1], marks.weight[0].expand(len(ids), 1, -1)
        tail = self._columns[first:]  # [T]
        # One look-up: the gradient of each would be as large as the embedding.
        every = words(torch.cat([ids.gather(1, source.clamp(min=0)), ids[:, first:]], dim=1))
        prompts, rest = every.split([longest, len(tail)], dim=1)
        self.pending = torch.cat([prompts, start.to(prompts.dtype)], dim=1)
        self._rest = torch.where((tail == at)[..., None], end.to(rest.dtype), rest)
        self._visible = self._positions = None
        if shortest < longest or first < last or counts.counts is not None:
            own = counts.most if counts.counts is None else counts.counts[:, None]
            number = torch.arange(longest + 1 + counts.most, device=ids.device)
            skipped = (longest - lengths)[:, None]
            seen = (number >= skipped) & (number <= longest + own)
            self._visible = torch.cat([seen, tail >= at], dim=1).long()
            behind = (tail - at + lengths[:, None] + 1 + own).clamp(min=0)
            self._positions = torch.cat([(number - skipped).clamp(min=0), behind], dim=1)

    def passes(self, base: nn.Module, project: nn.Module) -> Iterator[Tensor]:
        """The hidden states [B, P + 1, H] of the question with START, then [B, 1, H] of thoughts.

        The last of each makes the next thought.
        """
        for _ in range(self.counts.most):
            hidden = base(inputs_embeds=self.pending, **self._next(self.pending.shape[1]))[0]
            yield hidden
            self.pending = project(hidden[:, -1:])

    def last_pass(self, decoder: Any, arguments: Arguments) -> Any:
        """The output for the last thought, END and what follows; later passes find all cached."""
        self.cache.visible = self._visible
        embedded = torch.cat([self.pending, self._rest], dim=1)
        own = {"attention_mask", "position_ids"}
        others = {name: value for name, value in arguments.items() if name not in own}
        return decoder(inputs_embeds=embedded, **others | self._next(embedded.shape[1]))

    def _next(self, columns: int) -> Arguments:
        """The arguments for as many columns behind those in the cache."""
        begin = self.cache.get_seq_length()
        end = begin + columns
        mask = None if self._visible is None else self._visible[:, :end]
        positions = None if self._positions is None else self._positions[:, begin:end]
        given = {"attention_mask": mask, self._cache_name: self.cache, "use_cache": True}
        return given if positions is None else given | {"position_ids": positions}

    def in_place(self, before: list[Tensor], last: Tensor) -> Tensor:
        """[B, C, ...] in their own columns: states of all passes, or the last one's logits."""
        question = before[0] if before else last
        if question.shape[-1] != last.shape[-1]:
            question = last.new_full((*question.shape[:2], last.shape[-1]), torch.nan)
        rest = last[:, -self._rest.shape[1] :]
        found = torch.cat([question[:, : self._prompt], rest], dim=1)
        own = self._columns - self._first + self._prompt
        asked = (self._columns - self._separators + self._prompt - 1).clamp(min=0)
        source = torch.where(self._columns < self._separators, asked, own)[..., None]
        return found.gather(1, source.expand(-1, -1, found.shape[-1]))


def _extent(
    separators: Tensor, lengths: Tensor, counts: ThoughtCounts
) -> tuple[int, int, int, int]:
    """Of prompts the fewest and most tokens, of separators the first and last column."""
    if counts.prompts is not None:
        shortest, longest = counts.prompts
        return shortest, longest, shortest - 1, longest - 1
    every = [lengths.min(), lengths.max(), separators.min(), separators.max()]
    found: tuple[int, int, int, int] = tuple(torch.stack(every).tolist())
    return found
