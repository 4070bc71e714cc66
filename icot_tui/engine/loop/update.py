"""One optimizer step: micro-batches forward and backward, one update, no wait for the device."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from icot_tui.config import TrainConfig
from icot_tui.curriculum.removal import Batch
from icot_tui.models.tensors import like, whole


class SkippingAdamW(torch.optim.AdamW):
    """AdamW that leaves parameters and moments alone when told so by a tensor on the device.

    The fused kernels read `found_inf` on the device, as under a gradient scaler: no multiplication
    by zero that would let a NaN through, and nobody waits.
    """

    def __init__(self, parameters: list[nn.Parameter], config: TrainConfig) -> None:
        super().__init__(
            parameters,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.grad_scale: Tensor | None = None
        self.found_inf: Tensor | None = None

    def step_unless(self, skip: Tensor) -> None:
        """One update, unless `skip` (a boolean scalar on the device) is true."""
        self.found_inf = skip.float()
        self.step()

    def reset(self) -> None:
        """Drop the moments and the step count (arXiv 2405.14838, section 3)."""
        self.state.clear()


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The state as `name/moment` on the CPU, whole even where parameters are sharded.

    Every process must call it; all of them get it.
    """
    tensors = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}/{key}"] = whole(value).detach().cpu().clone()
    return tensors


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: dict[str, nn.Parameter],
    tensors: dict[str, Tensor],
) -> None:
    """The opposite of `optimizer_tensors`, bit for bit: no cast to the parameters' type."""
    optimizer.state.clear()
    for full_name, tensor in tensors.items():
        name, key = full_name.rsplit("/", 1)
        parameter = parameters[name]
        if key == "step":
            value = tensor.to(parameter.device)
        else:
            value = like(tensor.to(parameter.device), parameter)
        optimizer.state[parameter][key] = value


IGNORED = -100

Feed = Callable[["Update", Batch], tuple[Any, ...]]
"""Gives the objective's arguments for a batch, on the device."""


@dataclass(frozen=True)
class Padding:
    """Rounds padded sizes up, so that a compiler or a graph meets few of them.

    multiple      of this
    positions     position ids that the model has: no row is padded beyond them
    separator_id  fills rows up
    """

    multiple: int
    positions: int
    separator_id: int

    def columns(self, batch: Batch) -> int:
        """L: tokens of the longest row but its last one, rounded up."""
        longest: int = batch.ids.shape[1] - 1
        return max(longest, min(_round_up(longest, self.multiple), self.positions))

    def supervised(self, batch: Batch) -> int:
        """N: room for the supervised tokens."""
        if self.multiple == 1:
            return batch.supervised_tokens
        longest = int((batch.lengths - batch.prompt_lengths).max(initial=1))
        return len(batch) * _round_up(longest, self.multiple)


class Update:
    """Carries out optimizer steps on the objective.

    Args:
        objective: called with (ids, positions, states, targets), returns the sum of the losses.
        optimizer: of its parameters.
        accelerator: device, precision, processes.
        config: micro-batches and gradient clipping.
        padding: of the batches.
        feed: the objective's arguments for a batch; by default `tensors`.
        per_row: the loss is a mean over rows, not over supervised tokens.
    """

    def __init__(
        self,
        objective: nn.Module,
        optimizer: SkippingAdamW,
        accelerator: Accelerator,
        config: TrainConfig,
        padding: Padding,
        feed: "Feed | None" = None,
        per_row: bool = False,
    ) -> None:
        self.objective = objective
        self.optimizer = optimizer
        self._accelerator = accelerator
        self._micro_batch_size = config.micro_batch_size
        self._padding = padding
        self._clip_norm = config.clip_norm
        self._feed: Feed = feed or Update.tensors
        self._per_row = per_row
        self._parameters = [p for p in objective.parameters() if p.requires_grad]

    @property
    def device(self) -> torch.device:
        """Where the objective is."""
        device: torch.device = self._accelerator.device
        return device

    def __call__(self, batch: Batch, learning_rate: float) -> tuple[Tensor, Tensor]:
        """(loss, gradient norm) of a whole step over all processes, as scalars on the device.

        The loss is the mean over the supervised tokens (or rows) of the whole batch, whatever its
        division into micro-batches and processes. If it or the gradient is not finite, nothing is
        updated.
        """
        accelerator = self._accelerator
        counted = len(batch) if self._per_row else batch.supervised_tokens
        loss = torch.zeros((), device=accelerator.device)
        micro_batches = self._micro_batches(batch)
        for number, micro_batch in enumerate(micro_batches, start=1):
            arguments = self._feed(self, micro_batch)
            if number < len(micro_batches):
                with accelerator.no_sync(self.objective):
                    loss += self._backward(arguments, counted)
            else:
                loss += self._backward(arguments, counted)
        if accelerator.num_processes > 1:
            torch.distributed.all_reduce(loss)
        norm = whole(nn.utils.clip_grad_norm_(self._parameters, self._clip_norm))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step_unless(~(torch.isfinite(norm) & torch.isfinite(loss)))
        self.optimizer.zero_grad(set_to_none=True)
        return loss, norm

    def warm_up(self, batch: Batch) -> None:
        """Forward and backward without an update: compiles what this batch's shapes need."""
        for micro_batch in self._micro_batches(batch):
            self.objective(*self._feed(self, micro_batch)).backward()
        self.optimizer.zero_grad(set_to_none=True)

    def shape(self, batch: Batch) -> tuple[int, int, int]:
        """(rows, L, N) after padding: equal shapes need no new compilation."""
        return len(batch), self._padding.columns(batch), self._padding.supervised(batch)

    def _backward(self, arguments: tuple[Any, ...], counted: int) -> Tensor:
        """Adds one micro-batch's gradients; its share of the mean loss."""
        loss: Tensor = self.objective(*arguments) / counted
        # DDP and FSDP average gradients over processes; ours are shares of one sum.
        (loss * self._accelerator.num_processes).backward()
        return loss.detach()

    def _micro_batches(self, batch: Batch) -> list[Batch]:
        """This process's rows, in equally many parts on every process."""
        world, rank = self._accelerator.num_processes, self._accelerator.process_index
        share = -(-len(batch) // world)
        size = min(self._micro_batch_size or share, share)
        mine = range(rank * share, min((rank + 1) * share, len(batch)))
        starts = range(rank * share, rank * share + share, size)
        parts = [slice(start, min(start + size, mine.stop)) for start in starts]
        return [batch.rows(part) if part.start < part.stop else _empty(batch) for part in parts]

    def tensors(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """The objective's arguments on the device, padded: [B, L], [B, L] or None, [N], [N]."""
        ids, positions, states, targets = batch.model_inputs()
        columns = ids.shape[1]
        wider = self._padding.columns(batch) - columns
        if wider:
            ids = np.pad(ids, ((0, 0), (0, wider)), constant_values=self._padding.separator_id)
            positions = None if positions is None else np.pad(positions, ((0, 0), (0, wider)))
            states = states + states // columns * wider
        more = self._padding.supervised(batch) - len(states)
        if more:
            states = np.pad(states, (0, more))
            targets = np.pad(targets, (0, more), constant_values=IGNORED)
        send = self.send
        sent = None if positions is None else send(positions)
        return send(ids), sent, send(states), send(targets)

    def send(self, array: NDArray[Any]) -> Tensor:
        """A copy on the device, without waiting for it."""
        return send(array, self._accelerator.device)


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
    nowhere = np.full_like(row.index, -1)
    return replace(row, lengths=row.prompt_lengths, index=nowhere)


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
