"""One optimizer step: micro-batches forward and backward, one update, no wait for the device."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from icot_tui.config import TrainConfig
from icot_tui.curriculum.removal import Batch
from icot_tui.engine.loop.optimizers import SkippingAdamW
from icot_tui.models.packing import one_text_a_row
from icot_tui.models.supervised import Loss
from icot_tui.models.tensors import whole

IGNORED = -100

Feed = Callable[["Update", Batch], tuple[Any, ...]]
"""Gives the objective's arguments for a batch, on the device."""


class Updated(NamedTuple):
    """What one optimizer step was made with, as scalars on the device.

    loss   before the update
    norm   of the gradient, before clipping
    parts  of the loss, by their names, which add up to it; empty where it is of one part
    """

    loss: Tensor
    norm: Tensor
    parts: dict[str, Tensor]


@dataclass(frozen=True)
class Padding:
    """Rounds padded sizes up, so that a compiler or a graph meets few of them."""

    multiple: int  # of this
    positions: int  # position ids that the model has: no row is padded beyond them
    separator_id: int  # fills rows up
    saved: int | None = None  # padded tokens that a part of a batch must spare; None: no parts

    def columns(self, batch: Batch) -> int:
        """L: tokens of the longest row but its last one, rounded up."""
        return int(self.rounded_columns(np.array(batch.ids.shape[1] - 1)))

    def supervised(self, batch: Batch) -> int:
        """N: room for the supervised tokens."""
        if self.multiple == 1:
            return batch.supervised_tokens
        supervised = batch.lengths - batch.prompt_lengths
        return len(batch) * int(self.rounded_room(supervised.max(initial=1)))

    def rounded_columns(self, longest: NDArray[np.int64]) -> NDArray[np.int64]:
        """L of batches whose longest rows have so many tokens but their last ones."""
        most = np.minimum(_round_up(longest, self.multiple), self.positions)
        return np.maximum(longest, most)

    def rounded_room(self, supervised: NDArray[np.int64]) -> NDArray[np.int64]:
        """Room a row for so many supervised tokens."""
        return _round_up(supervised, self.multiple)

    def parts(self, batch: Batch) -> list[Batch]:
        """The rows in parts of alike lengths, each padded on its own; what they sum to is the same.

        The longest come first. Each part spares at least `saved` tokens of padding.
        """
        if self.saved is None or len(batch) < 2:
            return [batch]
        order = np.argsort(-batch.lengths, kind="stable")
        borders = _borders(batch.lengths[order], self.saved)
        if len(borders) == 2:
            return [batch]
        return [batch.rows(order[start:end]) for start, end in pairwise(borders)]


@dataclass(kw_only=True, eq=False)
class Update:
    """Carries out optimizer steps on the objective."""

    objective: nn.Module  # (ids, positions, states, targets) -> `Loss`, or (`Loss`, [B] by row)
    optimizer: SkippingAdamW  # of its parameters
    accelerator: Accelerator  # device, precision, processes
    config: TrainConfig  # micro-batches and gradient clipping
    padding: Padding  # of the batches
    feed: "Feed | None" = None  # the objective's arguments for a batch; by default `tensors`
    per_row: bool = False  # the loss is a mean over rows, not over supervised tokens

    def __post_init__(self) -> None:
        self.device: torch.device = self.accelerator.device
        self._feed: Feed = self.feed or Update.tensors
        self.row_losses: list[tuple[Batch, Tensor]] = []  # of the last step, where they are given
        self._parameters = [p for p in self.objective.parameters() if p.requires_grad]
        self._names: tuple[str, ...] = ()  # of the loss's parts, once it was computed

    def __call__(self, batch: Batch, learning_rate: float) -> Updated:
        """Loss and gradient norm of a whole step over all processes.

        The loss is the mean over the supervised tokens (or rows) of the whole batch, whatever its
        division into micro-batches and processes. If it or the gradient is not finite, nothing is
        updated.
        """
        accelerator = self.accelerator
        counted = len(batch) if self.per_row else batch.supervised_tokens
        shares = torch.zeros((), device=accelerator.device)  # [] or, of several parts, [P]
        self.row_losses = []
        *earlier, last = self._micro_batches(batch)
        for micro_batch in earlier:
            with accelerator.no_sync(self.objective):
                shares = shares + self._backward(micro_batch, counted)
        shares = shares + self._backward(last, counted)
        if accelerator.num_processes > 1:
            torch.distributed.all_reduce(shares)
        loss = _summed(shares)
        norm = whole(nn.utils.clip_grad_norm_(self._parameters, self.config.clip_norm))
        skip = ~(torch.isfinite(norm) & torch.isfinite(loss))
        self.optimizer.step_unless(skip, learning_rate)
        self.optimizer.zero_grad(set_to_none=True)
        parts = shares.unbind() if self._names else ()
        return Updated(loss, norm, dict(zip(self._names, parts, strict=True)))

    def loss_at_stage(self, batch: Batch, stage: int, per_token: bool) -> Tensor | None:
        """Of the last step, with that batch: the mean loss of the rows that lose as the stage says.

        Over supervised tokens or over rows; None without such a row. The objective gives the
        losses of single rows.
        """
        here = batch.scheduled == stage
        tokens = batch.lengths - batch.prompt_lengths
        counted = int(tokens[here].sum()) if per_token else int(here.sum())
        if not counted:
            return None
        here = np.concatenate([part.scheduled == stage for part, _ in self.row_losses])
        losses = torch.cat([each for _, each in self.row_losses])
        total = torch.where(self.send(here), losses, 0).sum()
        if self.accelerator.num_processes > 1:
            torch.distributed.all_reduce(total)
        return total / counted

    def warm_up(self, batch: Batch) -> None:
        """Forward and backward without an update: compiles what this batch's shapes need."""
        for micro_batch in self._micro_batches(batch):
            self._backward(micro_batch, counted=1)
        self.row_losses = []
        self.optimizer.zero_grad(set_to_none=True)

    def shape(self, batch: Batch) -> tuple[int, int, int]:
        """(rows, L, N) after padding: equal shapes need no new compilation."""
        return len(batch), self.padding.columns(batch), self.padding.supervised(batch)

    def _backward(self, batch: Batch, counted: int) -> Tensor:
        """Adds one micro-batch's gradients; its share of the mean loss, [] or [P]."""
        with one_text_a_row():
            loss: Loss | tuple[Loss, Tensor] = self.objective(*self._feed(self, batch))
        if isinstance(loss, tuple):
            loss, rows = loss
            self.row_losses.append((batch, rows))
        if isinstance(loss, dict):
            self._names = tuple(loss)
            loss = torch.stack([*loss.values()])
        shares = loss / counted
        # DDP and FSDP average gradients over processes; ours are shares of one sum.
        (_summed(shares) * self.accelerator.num_processes).backward()
        return shares.detach()

    def _micro_batches(self, batch: Batch) -> list[Batch]:
        """This process's rows, in equally many parts on every process."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        share = -(-len(batch) // world)
        size = min(self.config.micro_batch_size or share, share)
        mine = range(rank * share, min((rank + 1) * share, len(batch)))
        starts = range(rank * share, rank * share + share, size)
        parts = [slice(start, min(start + size, mine.stop)) for start in starts]
        micro = [batch.rows(part) if part.start < part.stop else _empty(batch) for part in parts]
        if world > 1:
            return micro  # as many on every process
        return [part for one in micro for part in self.padding.parts(one)]

    def tensors(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """The objective's arguments on the device, padded: [B, L], [B, L] or None, [N], [N]."""
        ids, positions, states, targets = batch.model_inputs()
        columns = ids.shape[1]
        wider = self.padding.columns(batch) - columns
        if wider:
            ids = np.pad(ids, ((0, 0), (0, wider)), constant_values=self.padding.separator_id)
            positions = None if positions is None else np.pad(positions, ((0, 0), (0, wider)))
            states = states + states // columns * wider
        more = self.padding.supervised(batch) - len(states)
        if more:
            states = np.pad(states, (0, more))
            targets = np.pad(targets, (0, more), constant_values=IGNORED)
        sent = None if positions is None else self.send(positions)
        return self.send(ids), sent, self.send(states), self.send(targets)

    def send(self, array: NDArray[Any]) -> Tensor:
        """A copy on the device, without waiting for it."""
        return send(array, self.accelerator.device)


def _summed(shares: Tensor) -> Tensor:
    """[] of [] or of [P] parts."""
    return shares.sum() if shares.ndim else shares


def send(array: NDArray[Any], device: torch.device) -> Tensor:
    """A copy on a device; from memory that is not pinned it would wait for all work there."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _empty(batch: Batch) -> Batch:
    """One row without anything supervised, for a process that has no row of this micro-batch.

    Its prompt stays where it is: objectives look for the separator at the prompt's end.
    """
    row = batch.rows(slice(0, 1))
    return replace(row, lengths=row.prompt_lengths, index=np.full_like(row.index, -1))


def _borders(lengths: NDArray[np.int64], saved: int) -> list[int]:
    """Where rows, sorted by falling lengths [B], are divided, from 0 to B.

    Each time, a part is divided where that spares most, until no division spares `saved` tokens.
    """
    borders, open_parts = {0, len(lengths)}, [(0, len(lengths))]
    while open_parts:
        start, end = open_parts.pop()
        later = np.arange(start + 1, end)
        spared = (end - later) * (lengths[start] - lengths[start + 1 : end])
        if len(spared) and spared.max() >= saved:
            middle = int(later[spared.argmax()])
            borders.add(middle)
            open_parts += [(start, middle), (middle, end)]
    return sorted(borders)


def _round_up(sizes: NDArray[np.int64], multiple: int) -> NDArray[np.int64]:
    return -(-sizes // multiple) * multiple
