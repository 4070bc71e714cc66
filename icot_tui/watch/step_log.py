"""What each `StepsTrained` line says beside its losses: time spent and learning rate."""

import numpy as np
from numpy.typing import NDArray

from icot_tui.watch.series import Points


class StepLog:
    """A row for each line: its last step, the seconds trained until then, its learning rate.

    Attributes:
        first: the steps that were done before the first line.
    """

    def __init__(self) -> None:
        self._steps = np.empty(0, np.float64)
        self._seconds = np.empty(0, np.float64)
        self._rates = np.empty(0, np.float32)
        self._length = 0
        self.first = 0

    def __len__(self) -> int:
        return self._length

    @property
    def steps(self) -> NDArray[np.float64]:
        """[n] each line's last step."""
        return self._steps[: self._length]

    @property
    def seconds(self) -> NDArray[np.float64]:
        """[n] seconds spent training until then, evaluations and pauses left out."""
        return self._seconds[: self._length]

    @property
    def rates(self) -> NDArray[np.float32]:
        """[n] learning rates."""
        return self._rates[: self._length]

    def extend(
        self, steps: NDArray[np.int64], seconds: NDArray[np.float64], rates: NDArray[np.float64]
    ) -> None:
        """More lines; `seconds` are those of each line alone."""
        end = self._length + len(steps)
        if end > len(self._steps):
            self._grow(end)
        into = slice(self._length, end)
        before = self._seconds[self._length - 1] if self._length else 0.0
        self._steps[into], self._rates[into] = steps, rates
        self._seconds[into] = before + np.cumsum(seconds)
        self._length = end

    def cut(self, length: int) -> None:
        """Only the first so many lines stand."""
        self._length = min(self._length, length)

    def until(self, step: int) -> int:
        """How many lines there are up to this step."""
        return int(np.searchsorted(self.steps, step, side="right"))

    def seconds_at(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """[n] seconds trained until these steps were done, interpolated within a line."""
        if not self._length:
            return np.zeros(len(steps))
        inside = np.interp(steps, self.steps, self.seconds)
        early = np.asarray(steps) < self._steps[0]
        if early.any():
            span = max(1.0, float(self._steps[0]) - self.first)
            share = np.clip((np.asarray(steps) - self.first) / span, 0, 1)
            inside = np.where(early, share * self._seconds[0], inside)
        return inside

    def learning_rates(self, low: int, high: int, columns: int) -> Points:
        """The learning rate from step `low` to step `high`, in at most so many points."""
        begin = int(np.searchsorted(self.steps, low, side="left"))
        end = int(np.searchsorted(self.steps, high, side="right"))
        if end <= begin:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        shown = np.unique(
            np.linspace(begin, end - 1, min(columns, end - begin)).round().astype(int)
        )
        return self.steps[shown].astype(np.int64), self.rates[shown]

    def _grow(self, end: int) -> None:
        # Pages that are not written to take no memory, so there may be many of them.
        size = max(4 * len(self._steps), end, 1024)
        for name in ("_steps", "_seconds", "_rates"):
            old = getattr(self, name)
            new = np.empty(size, old.dtype)
            new[: self._length] = old[: self._length]
            setattr(self, name, new)
