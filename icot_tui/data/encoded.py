"""A split as token ids, memory-mapped from plain .npy files, and the order in which it is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from icot_tui.data.steps import StepEnds, whole_chains

PARTS = ("tokens", "starts", "prompt_lengths", "cot_lengths")
STEP_PARTS = ("step_ends", "step_starts")


@dataclass(frozen=True)
class EncodedSplit:
    """N examples in the layout ` {x} SEP {z} SEP #### {y} SEP` (docs/method.md).

    tokens          [T] uint16 or uint32, usually memory-mapped: all examples, one after another
    starts          [N + 1] int64: where each example begins in `tokens`; the last entry is T
    prompt_lengths  [N] int32: tokens of ` {x} SEP`, the first separator included
    cot_lengths     [N] int32: m, the removable tokens between the two separators
    steps           where the steps of each chain end; None where nothing tells
    """

    tokens: NDArray[np.uint16] | NDArray[np.uint32]
    starts: NDArray[np.int64]
    prompt_lengths: NDArray[np.int32]
    cot_lengths: NDArray[np.int32]
    steps: StepEnds | None = None

    def __len__(self) -> int:
        return len(self.cot_lengths)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[N] tokens of each whole example."""
        return np.diff(self.starts)

    @property
    def max_cot_tokens(self) -> int:
        """The longest chain of thought."""
        return int(self.cot_lengths.max(initial=0))

    @property
    def max_length(self) -> int:
        """Tokens of the longest whole example."""
        return int(self.lengths.max(initial=0))

    def example(self, index: int) -> NDArray[np.int64]:
        """Token ids of one whole example."""
        return np.asarray(self.tokens[self.starts[index] : self.starts[index + 1]], dtype=np.int64)

    def only(self, keep: NDArray[np.bool_]) -> "EncodedSplit":
        """The examples for which `keep` [N] is true, copied into memory."""
        starts = np.concatenate([[0], self.lengths[keep]]).cumsum(dtype=np.int64)
        tokens = self.tokens[np.repeat(keep, self.lengths)]
        steps = None if self.steps is None else self.steps.only(keep)
        prompts, cots = self.prompt_lengths[keep], self.cot_lengths[keep]
        return EncodedSplit(tokens, starts, prompts, cots, steps)


def write_split(folder: Path, name: str, parts: Iterable[EncodedSplit], dtype: DTypeLike) -> int:
    """Write the pieces of a split as `{name}-tokens.npy` and its borders; the number of examples.

    No more than one piece's tokens are in memory at a time. Steps are written if any piece knows
    them; a chain of a piece that does not is one step.
    """
    lengths, prompts, cots, steps = [], [], [], []
    with open(_file(folder, name, "tokens"), "wb") as file:
        _write_header(file, dtype, 0)
        for part in parts:
            file.write(part.tokens.astype(dtype).data)
            lengths.append(part.lengths)
            prompts.append(part.prompt_lengths)
            cots.append(part.cot_lengths)
            steps.append(part.steps)
        starts = np.concatenate([[0], *lengths]).cumsum(dtype=np.int64)
        file.seek(0)
        _write_header(file, dtype, int(starts[-1]))  # the header leaves room for any count
    _save(_file(folder, name, "starts"), starts)
    for border, pieces in (("prompt_lengths", prompts), ("cot_lengths", cots)):
        _save(_file(folder, name, border), np.concatenate([np.zeros(0, dtype=np.int32), *pieces]))
    if any(part is not None for part in steps):
        known = [part or whole_chains(cot) for part, cot in zip(steps, cots, strict=True)]
        sizes = np.concatenate([[0], *(np.diff(part.starts) for part in known)])
        ends = np.concatenate([part.ends for part in known])
        arrays = ends, sizes.cumsum(dtype=np.int64)
        for border, array in zip(STEP_PARTS, arrays, strict=True):
            _save(_file(folder, name, border), array)
    return len(starts) - 1


def read_split(folder: Path, name: str) -> EncodedSplit:
    """The split, memory-mapped."""

    def array(part: str) -> Any:
        return np.load(_file(folder, name, part), mmap_mode="r").view(np.ndarray)

    has_steps = _file(folder, name, STEP_PARTS[0]).exists()
    steps = StepEnds(*map(array, STEP_PARTS)) if has_steps else None
    tokens, starts, prompts, cots = map(array, PARTS)
    return EncodedSplit(tokens, starts, prompts, cots, steps)


def _file(folder: Path, name: str, part: str) -> Path:
    return folder / f"{name}-{part}.npy"


def _save(path: Path, array: NDArray[np.int64] | NDArray[np.int32]) -> None:
    with open(path, "wb") as file:
        _write_header(file, array.dtype, len(array))
        file.write(array.data)  # np.save would not say that the disk is full


def _write_header(file: BinaryIO, dtype: DTypeLike, count: int) -> None:
    header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
    npy.write_array_header_1_0(file, {**header, "shape": (count,)})


class DataOrder:
    """Examples of a split in batches, shuffled anew each epoch as a function of seed and step."""

    def __init__(self, examples: int, batch_size: int, seed: int) -> None:
        self.steps_per_epoch = examples // batch_size
        self._examples = examples
        self._batch_size = batch_size
        self._seed = seed
        self._epoch, self._shuffled = -1, np.zeros(0, dtype=np.int64)

    def rows(self, step: int) -> NDArray[np.int64]:
        """[batch_size] examples of this step; what is left at an epoch's end is left out."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._shuffled = np.random.default_rng((self._seed, epoch)).permutation(self._examples)
            self._epoch = epoch
        return self._shuffled[position * self._batch_size : (position + 1) * self._batch_size]
