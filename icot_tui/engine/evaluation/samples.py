"""Held-out examples with the model's own answers, kept for reading in a file of JSON lines.

Texts are data as the tokenizer gives them, control characters included; what shows them escapes
them. Nothing here needs PyTorch.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from icot_tui.files import open_file, write_atomically

Kind = Literal["best", "worst", "random"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One held-out example and what the model wrote, greedily, after its input."""

    index: int  # the example's place in the split
    kind: Kind  # why it was chosen: right with the least loss, wrong with the most, or by chance
    correct: bool  # does the answer count as the gold one?
    loss: float | None  # nats, summed over the gold tokens after the input; None if not finite
    input: str  # the gold texts; the chain of thought is whole, whatever the stage removes
    cot: str
    answer: str
    model_cot: str  # what the model wrote before its first separator
    model_answer: str | None  # what follows its `####`, even if never closed; None without one
    tokens: tuple[str, ...]  # the answer's tokens, one text each; last the closing separator
    confidence: tuple[float | None, ...]  # the model's probability of each; None if not finite


def choose_samples(
    index: NDArray[np.int64],
    right: NDArray[np.bool_],
    losses: NDArray[np.float64],
    wanted: int,
    examples: int,
) -> dict[int, Kind]:
    """Which examples to keep and why: a third each of best, worst and random ones.

    Random ones come from one order of the whole split's `examples`, the same at every evaluation,
    so that one sees them change. They make up for too few right or wrong ones. Choosing from what
    shards chose gives what would have been chosen from the whole.

    The candidates have [n] places in the split (`index`), [n] verdicts (`right`) and [n] `losses`
    in nats, of which non-finite ones count as the largest.
    """
    by_loss = np.lexsort((index, np.where(np.isfinite(losses), losses, np.inf)))
    third = wanted // 3
    best = index[by_loss[right[by_loss]]][:third]
    worst = index[by_loss[~right[by_loss]][::-1]][:third]
    others = np.setdiff1d(index, np.concatenate([best, worst]))
    place = np.random.default_rng(0).permutation(examples)
    by_chance = others[np.argsort(place[others])][: wanted - len(best) - len(worst)]
    kinds: list[tuple[Kind, NDArray[np.int64]]] = [
        ("best", best), ("worst", worst), ("random", by_chance),
    ]  # fmt: skip
    return {int(place): kind for kind, places in kinds for place in places}


def merge_samples(shards: Sequence[Sequence[Sample]], wanted: int, examples: int) -> list[Sample]:
    """The samples of the whole split from those of its shards."""
    samples = {sample.index: sample for shard in shards for sample in shard}
    chosen = choose_samples(
        np.array(list(samples), dtype=np.int64),
        np.array([sample.correct for sample in samples.values()], dtype=np.bool_),
        np.array([sample.loss for sample in samples.values()], dtype=np.float64),  # None: NaN
        wanted,
        examples,
    )
    return [msgspec.structs.replace(samples[index], kind=kind) for index, kind in chosen.items()]


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """One JSON line a sample; readers see the whole file or none."""
    lines = [json.dumps(msgspec.to_builtins(sample), allow_nan=False) + "\n" for sample in samples]
    write_atomically(path, "".join(lines), own_folder=True)


def read_samples(path: Path, most_bytes: int = -1) -> list[Sample]:
    """The samples of a file's first `most_bytes`; damaged lines and unknown fields are left out."""
    with open(open_file(path), "rb") as file:
        lines = file.read(most_bytes).splitlines()
    return [sample for line in lines if (sample := _read_sample(line)) is not None]


def _read_sample(line: bytes) -> Sample | None:
    try:
        return msgspec.json.decode(line, type=Sample)
    except (msgspec.DecodeError, RecursionError):
        return None
