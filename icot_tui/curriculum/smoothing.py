"""Removal smoothing: how many more tokens are removed by chance (arXiv 2405.14838, section 3).

A pure function of seed and step, so that it can be tested against the published code's traces and
resumed exactly.
"""

import math

import numpy as np
from numpy.typing import NDArray

OFFSETS = 100
"""The published code cuts the distribution here and gives the tail's mass to the last value."""


def offset_distribution(smoothing: float) -> NDArray[np.float64]:
    """[OFFSETS] probabilities of o = 0, 1, 2, ..., P(o) ~ exp(-lambda o); lambda = inf is off."""
    if math.isinf(smoothing):
        off: NDArray[np.float64] = np.eye(1, OFFSETS)[0]
        return off
    decay: NDArray[np.float64] = np.exp(-smoothing * np.arange(OFFSETS))
    probabilities = (1 - math.exp(-smoothing)) * decay
    probabilities[-1] += 1 - probabilities.sum()
    return probabilities


class Smoothing:
    """Draws the offset of every example of every batch, as a pure function of seed and step.

    `smoothing` is lambda. `mixed_stages` is the share of examples that get a stage of their own,
    drawn evenly from 0 to the scheduled one: the model learns to write any number of tokens.
    """

    def __init__(self, smoothing: float, seed: int, mixed_stages: float = 0.0) -> None:
        self._cumulative = np.cumsum(offset_distribution(smoothing))
        self._seed = seed
        self._mixed_stages = mixed_stages

    def scheduled(
        self, step: int, stage: int | NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """[B] tokens (or steps) to remove of each row [B] of the batch at this step, s + o.

        The stage is one for all rows, or [B].
        """
        examples = len(rows)
        offsets = self.offsets(step, examples)
        if not self._mixed_stages:
            return offsets + stage
        rng = np.random.default_rng((self._seed, step, 1))  # apart from the offsets' own stream
        mixed = rng.random(examples) < self._mixed_stages
        return offsets + np.where(mixed, rng.integers(0, stage, examples, endpoint=True), stage)

    def lowest(self, stage: int) -> int:
        """The least that is removed of any row while a stage is scheduled."""
        return 0 if self._mixed_stages else stage

    def offsets(self, step: int, examples: int) -> NDArray[np.int64]:
        """[examples] extra removals of the batch at this step."""
        uniform = np.random.default_rng((self._seed, step)).random(examples)
        drawn = np.searchsorted(self._cumulative, uniform, side="right")
        return np.minimum(drawn, OFFSETS - 1)


NO_SMOOTHING = Smoothing(math.inf, 0)
"""Removes what is scheduled, and nothing more."""
