"""What runs along the bottom of the charts: steps, time, or removed tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from icot_tui.watch.series import GrowingArray

Axis = Literal["step", "time", "removed"]


class TrainingLines:
    """A row for each `StepsTrained` line: its last step, the seconds until then, the rate there.

    Attributes:
        first: the steps that were done before the first line.
    """

    def __init__(self) -> None:
        self._steps = GrowingArray(np.float64)
        self._seconds = GrowingArray(np.float64)
        self._rates = GrowingArray(np.float64)
        self._parts: dict[str, GrowingArray] = {}
        self.first = 0

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def steps(self) -> NDArray[np.float64]:
        """[n] each line's last step."""
        return self._steps.values

    @property
    def seconds(self) -> NDArray[np.float64]:
        """[n] seconds spent training until then, evaluations and pauses left out."""
        return self._seconds.values

    @property
    def rates(self) -> NDArray[np.float64]:
        """[n] the learning rate then."""
        return self._rates.values

    @property
    def parts(self) -> dict[str, NDArray[np.float64]]:
        """[n] the parts of the loss by their names, each line's means; NaN where it has none."""
        return {name: means.values for name, means in self._parts.items()}

    def extend(
        self,
        steps: NDArray[np.int64],
        seconds: NDArray[np.float64],
        rates: NDArray[np.float64],
        parts: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """More lines; `seconds` are those of each line alone."""
        for name in parts:
            if name not in self._parts:
                self._parts[name] = GrowingArray(np.float64)
                self._parts[name].extend(np.full(len(self), np.nan))
        for name, means in self._parts.items():
            means.extend(parts[name] if name in parts else np.full(len(steps), np.nan))
        before = self.seconds[-1] if len(self) else 0.0
        self._steps.extend(steps)
        self._seconds.extend(before + np.cumsum(seconds))
        self._rates.extend(rates)

    def cut(self, length: int) -> None:
        self._steps.cut(length)
        self._seconds.cut(length)
        self._rates.cut(length)
        for means in self._parts.values():
            means.cut(length)

    def until(self, step: int) -> int:
        """How many lines there are up to this step."""
        return int(np.searchsorted(self.steps, step, side="right"))

    def seconds_at(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """[n] seconds trained until these steps were done, interpolated within a line."""
        if not len(self):
            return np.zeros(len(steps))
        first = self.steps[0]
        share = np.clip((steps - self.first) / max(1.0, first - self.first), 0, 1)
        later = np.interp(steps, self.steps, self.seconds)
        return np.where(steps < first, share * self.seconds[0], later)


@dataclass(frozen=True)
class Span:
    """A stage and the number of steps that were done when it began."""

    step: int
    stage: int


def along_removals(
    steps: NDArray[np.int64], spans: list[Span], last: int, most: int | None
) -> NDArray[np.float64]:
    """[n] the stage at each step plus the share of the stage that has passed.

    So all stages are equally wide, and runs can be overlaid. The present stage is taken to last
    as long as the one before it, or longer when it already does. After a rollback the values go
    back.

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
