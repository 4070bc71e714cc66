"""Which padded shapes a training's batches can have, each as a batch that has it."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from icot_tui.curriculum.removal import Batch, TokenFormat, removed_tokens
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.loop.update import Padding

Ints = NDArray[np.int64]


def batch_of_each_shape(
    split: EncodedSplit,
    token_format: TokenFormat,
    padding: Padding,
    stages: Iterable[int],
    rows: int,
) -> Iterator[Batch]:
    """A batch of so many rows for each pair (L, N) that batches drawn from these stages can have.

    L follows from a batch's longest row, N from the row with most supervised tokens. An example at
    a stage is of one kind by both, rounded up; of two kinds, one may give L and the other N.
    Alternating rows give each part of the batch, of two rows or more, the same shape.
    """
    examples = _different(split, token_format)
    kinds: dict[tuple[int, int], tuple[int, int]] = {}  # (columns, room): (example, stage)
    for stage in stages:
        removed = removed_tokens(split, examples, stage, token_format.plan)
        lengths = split.lengths[examples] - removed
        supervised = lengths - split.prompt_lengths[examples]
        pairs = np.stack([padding.rounded_columns(lengths - 1), padding.rounded_room(supervised)])
        unlike, first = np.unique(pairs, axis=1, return_index=True)
        for columns, room, at in zip(*unlike.tolist(), first.tolist(), strict=True):
            kinds.setdefault((columns, room), (int(examples[at]), stage))
    for columns, less in kinds:
        for fewer, room in kinds:
            if fewer <= columns and less <= room:
                two = [kinds[columns, less], kinds[fewer, room]]
                index, scheduled = np.resize(np.array(two), (rows, 2)).T
                yield token_format.batch(split, index, scheduled)


def _different(split: EncodedSplit, token_format: TokenFormat) -> Ints:
    """An example for each (length, prompt, chain) that there is; all, where steps are removed."""
    if token_format.plan.unit == "step":
        return np.arange(len(split))
    facts = np.stack([split.lengths, split.prompt_lengths, split.cot_lengths])
    sizes = facts.max(axis=1, initial=0) + 1
    return np.unique(np.ravel_multi_index(tuple(facts), tuple(sizes)), return_index=True)[1]
