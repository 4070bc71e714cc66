"""Removal smoothing: a few more tokens removed by chance (arXiv 2405.14838, section 3)."""

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
    probabilities: NDArray[np.float64] = (1 - math.exp(-smoothing)) * np.exp(
        -smoothing * np.arange(OFFSETS)
    )
    probabilities[-1] += 1 - probabilities.sum()
    return probabilities


class Smoothing:
    """Draws the offset of every example of every batch, as a pure function of seed and step."""

    def __init__(self, smoothing: float, seed: int) -> None:
        self._cumulative = np.cumsum(offset_distribution(smoothing))
        self._seed = seed

    def offsets(self, step: int, examples: int) -> NDArray[np.int64]:
        """[examples] extra removals of the batch at this step."""
        uniform = np.random.default_rng((self._seed, step)).random(examples)
        drawn = np.searchsorted(self._cumulative, uniform, side="right")
        return np.minimum(drawn, OFFSETS - 1)
