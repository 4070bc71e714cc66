"""Which stage each row is trained at (arXiv 2412.06769)."""

import numpy as np

from icot_tui.curriculum.removal import Ints
from icot_tui.curriculum.smoothing import Smoothing


class LatentStages(Smoothing):
    """Removal smoothing, but a share of the rows gets a stage drawn from all that its chain has.

    Beyond the last stage with thoughts of its own, nothing of the chain is left.
    """

    def __init__(
        self, smoothing: Smoothing, share: float, seed: int, steps: Ints, latent: int
    ) -> None:
        """`steps` [N] are those of each example's chain; the first `latent` become thoughts."""
        self._smoothing, self._steps, self._latent = smoothing, steps, latent
        self._share, self._seed = share, seed

    def scheduled(self, step: int, stage: Ints | int, rows: Ints) -> Ints:
        """See `Smoothing`."""
        every, scheduled = self._steps[rows], self._smoothing.scheduled(step, stage, rows)
        rng = np.random.default_rng((self._seed, step, 2))  # apart from smoothing's own streams
        drawn = rng.random(len(rows)) < self._share
        stages = np.where(drawn, rng.integers(0, every, endpoint=True), scheduled)
        return np.where(stages > self._latent, np.maximum(every, stages), stages)

    def lowest(self, stage: int) -> int:
        """See `Smoothing`."""
        return 0 if self._share else self._smoothing.lowest(stage)
