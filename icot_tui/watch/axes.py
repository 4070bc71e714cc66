"""What runs along the bottom of the charts: steps, time, or removed tokens."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Axis = Literal["step", "time", "removed"]


@dataclass(frozen=True)
class Span:
    """A stage and the number of steps that were done when it began."""

    step: int
    stage: int


def along_removals(
    steps: NDArray[np.int64], spans: list[Span], last: int, most: int | None
) -> NDArray[np.float64]:
    """[n] the stage at each step plus the share of the stage that has passed.

    So all stages are equally wide, and runs can be laid over each other. The present stage is
    taken to last as long as the one before it, or longer when it already does. After a rollback
    the values go back.

    Args:
        steps: [n] they are asked for.
        spans: the stages so far, in their order.
        last: the run's last step.
        most: tokens of the longest chain of thought; a stage beyond is counted as this.
    """
    if not spans:
        return np.zeros(len(steps))
    begins = np.array([span.step for span in spans], dtype=np.int64)
    stages = np.array([span.stage for span in spans], dtype=np.float64)
    if most is not None:
        stages = np.minimum(stages, most)
    previous = float(begins[-1] - begins[-2]) if len(begins) > 1 else 1.0
    lengths = np.append(np.diff(begins), max(previous, last - begins[-1], 1)).astype(np.float64)
    # The step that begins a stage is the first after its `step`.
    at = np.maximum(np.searchsorted(begins, steps, side="left") - 1, 0)
    passed = (steps - begins[at]) / np.maximum(lengths[at], 1)
    result: NDArray[np.float64] = stages[at] + np.clip(passed, 0.0, 1.0)
    return result


def stage_at(step: int, spans: list[Span]) -> int:
    """The stage that this step was trained at."""
    at = bisect_right([span.step for span in spans], step - 1) - 1
    return spans[max(at, 0)].stage if spans else 0
