"""The order in which a split is read, as a pure function of seed and step."""

import numpy as np
from numpy.typing import NDArray


class DataOrder:
    """Shuffled anew each epoch; nothing needs to be remembered for an exact resume.

    Args:
        examples: size of the split.
        batch_size: examples a step, over all processes.
        seed: of the shuffling.
    """

    def __init__(self, examples: int, batch_size: int, seed: int) -> None:
        self.steps_per_epoch = examples // batch_size
        self._examples = examples
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._shuffled: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def rows(self, step: int) -> NDArray[np.int64]:
        """[batch_size] examples of this step; what is left at an epoch's end is left out."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._shuffled = np.random.default_rng((self._seed, epoch)).permutation(self._examples)
            self._epoch = epoch
        return self._shuffled[position * self._batch_size : (position + 1) * self._batch_size]
