"""Many `StepsTrained` lines in a row as arrays, for views that read a long journal at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

LOSS_WINDOW = 50
"""Steps that the shown loss is averaged over."""
UNREAD = frozenset({"gradient_norms"})
"""Left out, whatever stands there: no view shows them, and they are half of the numbers."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class StepArrays:
    """What n lines say of m steps. All lines are of one stage and follow each other.

    times              [n] seconds since the epoch
    first              the first step
    steps              [n] each line's last step
    stage              of all of them
    learning_rates     [n]
    seconds            [n] time spent training
    supervised_tokens  of all lines together
    dropped_rows       of all lines together
    losses             [m] float32, NaN where the loss was not finite; those of the lines on end
    last_losses        the last finite losses in full precision, 50 of them if there are so many
    """

    times: Floats
    first: int
    steps: Whole
    stage: int
    learning_rates: Floats
    seconds: Floats
    supervised_tokens: int
    dropped_rows: int
    losses: NDArray[np.float32]
    last_losses: tuple[float, ...]
