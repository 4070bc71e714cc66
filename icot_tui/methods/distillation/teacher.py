"""The teacher's thoughts: hidden states of a model that writes its chain of thought.

They are computed in batches, or kept on disk if that is cheaper. n examples, B rows, L blocks,
H width.
"""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.journal.events import Event, ThoughtsStored, Warned
from icot_tui.engine.loop.update import send
from icot_tui.errors import Check, disk_reason
from icot_tui.files import make_own_folder
from icot_tui.methods.distillation.models import EnoughSeen, decoder_blocks, edited_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Subset = Literal["diagonal", "first_column", "last_column", "top_row", "bottom_row"]
TOKENS_AT_ONCE = {"cpu": 4096, "cuda": 1 << 16}
"""Tokens a forward pass of the teacher."""


@dataclass(frozen=True)
class StatePositions:
    """Which of the teacher's hidden states are the thoughts (method, section 5).

    subset  diagonal: block l at `sep1 + l * delta`; first_column, last_column: every block at the
            first or second separator; top_row, bottom_row: the diagonal's positions, but all of
            them at the input of the last or of the first block
    delta   positions a block; None: so that the last block is at the second separator, for each
            example by itself
    """

    subset: Subset = "diagonal"
    delta: float | None = None

    def positions(
        self, first_separator: NDArray[np.int64], second_separator: NDArray[np.int64], blocks: int
    ) -> NDArray[np.int64]:
        """[B, L] positions of rows whose separators stand at [B] and [B]."""
        block = np.arange(blocks)
        first, second = first_separator[:, None], second_separator[:, None]
        if self.subset == "first_column":
            return np.broadcast_to(first, (len(first), blocks)).copy()
        if self.subset == "last_column":
            return np.broadcast_to(second, (len(second), blocks)).copy()
        # One block has nowhere to go. Single precision, as published: it decides where .5 goes.
        steps = np.float32(max(blocks - 1, 1))
        delta = (second - first).astype(np.float32) / steps if self.delta is None else self.delta
        along = np.rint((first + block * delta).astype(np.float32)).astype(np.int64)
        return np.minimum(along, second)

    def blocks(self, blocks: int) -> list[int]:
        """[L] the teacher's block whose input is the thought of each block."""
        if self.subset == "top_row":
            return [blocks - 1] * blocks
        if self.subset == "bottom_row":
            return [0] * blocks
        return list(range(blocks))


@torch.no_grad()
def teacher_states(
    teacher: "PreTrainedModel", ids: Tensor, positions: Tensor, blocks: list[int]
) -> Tensor:
    """[B, L, H] float32, each state with mean 0 and variance 1 (method, section 5.2).

    The teacher is in evaluation mode. `ids` are [B, C] ` {x} SEP {z} SEP`, padded on the right;
    `positions` [B, L] and `blocks` [L] are those of `StatePositions`.
    """
    rows = torch.arange(len(ids), device=ids.device)
    found: dict[int, Tensor] = {}

    def take(number: int, hidden: Tensor) -> None:
        for place, block in enumerate(blocks):
            if block == number:
                found[place] = hidden[rows, positions[:, place]]
        if number == max(blocks):
            raise EnoughSeen

    with edited_inputs(decoder_blocks(teacher), take):
        teacher.base_model(ids, use_cache=False)
    states = torch.stack([found[place] for place in range(len(blocks))], dim=1)
    return F.layer_norm(states.float(), states.shape[-1:])


TeacherStates = Callable[[NDArray[np.int64]], Tensor]
"""Places of [B] examples in their split -> [B, L, H] on the device; -1 gives any example's."""


@dataclass(frozen=True)
class ComputedStates:
    """`TeacherStates` for which the teacher is asked each time.

    teacher   on the device, in evaluation mode
    split     the examples with their chains of thought
    autocast  precision of the teacher's computations
    """

    teacher: "PreTrainedModel"
    split: EncodedSplit
    places: StatePositions
    separator_id: int
    device: torch.device
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, L, H)"""
        config = self.teacher.config
        return len(self.split), int(config.num_hidden_layers), int(config.hidden_size)

    def __call__(self, index: NDArray[np.int64]) -> Tensor:
        """[B, L, H] float32 on the device."""
        batch = remove(self.split, np.maximum(index, 0), 0, RemovalPlan(), self.separator_id)
        first, blocks = batch.prompt_lengths - 1, self.shape[1]
        positions = self.places.positions(first, first + batch.cot_lengths + 1, blocks)
        ids = send(batch.ids[:, : positions.max(initial=0) + 1], self.device)
        at = send(positions, self.device)
        with self.autocast():
            return teacher_states(self.teacher, ids, at, self.places.blocks(blocks))

    def batches(self) -> list[NDArray[np.int64]]:
        """All examples in batches of like lengths, the same ones every time."""
        lengths = self.split.lengths
        order = np.argsort(-lengths, kind="stable")
        tokens = TOKENS_AT_ONCE.get(self.device.type, 1 << 14)
        found, begin = [], 0
        while begin < len(order):
            size = max(1, tokens // int(lengths[order[begin]]))
            found.append(order[begin : begin + size])
            begin += size
        return found

    def all(self) -> Tensor:
        """[n, L, H] on the CPU, for a split that fits the memory."""
        states = torch.empty(self.shape)
        for rows in self.batches():
            states[torch.from_numpy(rows)] = self(rows).cpu()
        return states


def store_states(
    computed: ComputedStates,
    path: Path,
    dtype: np.dtype[Any],
    step: int,
    emit: Callable[[Event], None],
    told: Callable[[], bool],
    check: Check,
) -> TeacherStates:
    """The states of a whole split in a memory-mapped file, which is written unless it exists.

    On a full disk they are computed each time, after a warning; the file is complete or absent.
    `step` is for the events, `told` says whether the journal has one of a file that is there, and
    `check` is called between batches.
    """
    began, found = time.perf_counter(), path.is_file()
    if not found:
        beside = path.with_name(f".writing-{path.name}")
        try:
            make_own_folder(path.parent)
            beside.unlink(missing_ok=True)
            _write(computed, beside, dtype, check)
            os.replace(beside, path)
        except OSError as error:
            reason = f"the teacher's thoughts are not stored: {disk_reason(error)}"
            emit(Warned(step=step, message=reason))
            return computed
        finally:
            beside.unlink(missing_ok=True)
    if not (found and told()):  # a resume finds the file, and has undone the line that told it
        size, seconds = path.stat().st_size, time.perf_counter() - began
        emit(ThoughtsStored(step=step, examples=len(computed.split), bytes=size, seconds=seconds))
    stored = np.load(path, mmap_mode="r")
    return lambda index: send(stored[np.maximum(index, 0)], computed.device)


def _write(computed: ComputedStates, path: Path, dtype: np.dtype[Any], check: Check) -> None:
    states = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=computed.shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with open(path, "r+b") as file:
            # A disk that fills up under a memory map kills the process: claim the room beforehand.
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    for rows in computed.batches():
        check()
        states[rows] = computed(rows).cpu().numpy()
    states.flush()
