"""What an evaluation found: exact match with its interval, and how shards become one result.

n examples of a shard, T supervised tokens of them all, A places of the longest answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.evaluation.samples import Sample, merge_samples

Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What was found, of a whole split or of a shard of it.

    stage            tokens removed
    split_examples   examples of the whole split
    index            [n] places of the examples in the split, rising
    right            [n] is the answer's text the gold one?
    losses           [n] nats, summed over an example's supervised tokens
    tokens           T
    answer_hits      [A] how often the arg-max is the answer's token at each place, gold before it
    answer_counts    [A] how many examples have that place
    closing_hits     the same for the separator that closes the answer
    decoded          examples that had to be decoded
    samples_wanted   how many samples there should be
    samples          examples with the model's own answers
    """

    stage: int
    split_examples: int
    index: NDArray[np.int64]
    right: NDArray[np.bool_]
    losses: NDArray[np.float64]
    tokens: int
    answer_hits: NDArray[np.int64]
    answer_counts: NDArray[np.int64]
    closing_hits: int
    decoded: int
    samples_wanted: int
    samples: list[Sample]

    @property
    def examples(self) -> int:
        """n."""
        return len(self.index)

    @property
    def correct(self) -> int:
        """How many are right."""
        return int(self.right.sum())

    @property
    def exact_match(self) -> float:
        """Share of right answers."""
        return self.correct / max(self.examples, 1)

    @property
    def low(self) -> float:
        """Lower end of the exact match's 95 % interval (Wilson)."""
        return wilson(self.correct, self.examples)[0]

    @property
    def high(self) -> float:
        """Upper end of the exact match's 95 % interval (Wilson)."""
        return wilson(self.correct, self.examples)[1]

    @property
    def loss(self) -> float:
        """Mean nats per supervised token."""
        return float(self.losses.sum()) / max(self.tokens, 1)

    @property
    def token_accuracy(self) -> list[float]:
        """[A + 1] shares of right tokens, teacher-forced; the last is the closing separator's.

        Each place is averaged over the examples that have it. For multiplication these are the
        digits; a blank that some tokenizers put before the closing separator is left out.
        """
        shares: list[float] = (self.answer_hits / np.maximum(self.answer_counts, 1)).tolist()
        return [*shares, self.closing_hits / max(self.examples, 1)]


def wilson(correct: int, examples: int, z: float = Z95) -> tuple[float, float]:
    """Ends of Wilson's score interval for a share; (0, 1) without examples."""
    if examples == 0:
        return 0.0, 1.0
    share, n = correct / examples, examples
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    low = (middle - half) / whole if correct else 0.0  # exact ends where rounding would miss them
    high = (middle + half) / whole if correct < examples else 1.0
    return low, high


def merge(shards: Sequence[EvaluationResult]) -> EvaluationResult:
    """The result on the whole split from those on its shards."""
    first = shards[0]
    if len(shards) == 1:
        return first
    index = np.concatenate([shard.index for shard in shards])
    order = np.argsort(index)
    samples = [shard.samples for shard in shards]
    return replace(
        first,
        index=index[order],
        right=np.concatenate([shard.right for shard in shards])[order],
        losses=np.concatenate([shard.losses for shard in shards])[order],
        tokens=sum(shard.tokens for shard in shards),
        answer_hits=_add([shard.answer_hits for shard in shards]),
        answer_counts=_add([shard.answer_counts for shard in shards]),
        closing_hits=sum(shard.closing_hits for shard in shards),
        decoded=sum(shard.decoded for shard in shards),
        samples=merge_samples(samples, first.samples_wanted, first.split_examples),
    )


def _add(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    total = np.zeros(max(map(len, counts)), dtype=np.int64)
    for part in counts:
        total[: len(part)] += part
    return total
