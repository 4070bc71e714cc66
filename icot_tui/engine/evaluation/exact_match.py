"""What an evaluation found: exact match with its interval, and how shards become one result.

n examples of a shard, T supervised tokens of them all, A places of the longest answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.comparison import Compare
from icot_tui.engine.evaluation.samples import Sample, merge_samples
from icot_tui.engine.evaluation.staged_examples import Ints

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What was found, of a whole split or of a shard of it."""

    stage: int  # tokens removed
    split_examples: int  # examples of the whole split
    index: Ints  # [n] places of the examples in the split, rising
    right: NDArray[np.bool_]  # [n] is the answer equal to the gold one?
    compare: Compare  # how they were compared
    losses: NDArray[np.float64]  # [n] nats, summed over an example's supervised tokens
    tokens: int  # T
    answer_hits: Ints  # [A] how often the arg-max is right at each place of the answer
    answer_counts: Ints  # [A] how many examples have that place
    closing_hits: int  # the same for the separator that closes the answer
    decoded: int  # examples that had to be decoded
    samples_wanted: int  # how many samples there should be
    samples: list[Sample]  # examples with the model's own answers

    @property
    def examples(self) -> int:
        return len(self.index)

    @property
    def correct(self) -> int:
        return int(self.right.sum())

    @property
    def exact_match(self) -> float:
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


def _add(counts: Sequence[Ints]) -> Ints:
    width = max(map(len, counts))
    total: Ints = np.sum([np.pad(part, (0, width - len(part))) for part in counts], 0)
    return total
