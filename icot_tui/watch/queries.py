"""One quantity of a run at steps that are asked for; what is not there is never guessed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.errors import UserError
from icot_tui.formatting import count
from icot_tui.watch.steps import StepTable

Values = NDArray[np.float64]
OF_STEPS: Mapping[str, Callable[[StepTable], NDArray[np.generic]]] = {
    "loss": lambda table: table.losses,
    "removed": lambda table: table.stages,
    "grad-norm": lambda table: table.gradient_norms,
    "lr": lambda table: table.learning_rates,
    "time": lambda table: table.times,
}
OF_EVENTS: Mapping[str, Callable[[StepTable], list[tuple[int, float | None]]]] = {
    "accuracy": lambda table: [
        (one.result.step, one.result.exact_match) for one in table.evaluations
    ],
    "evaluation-loss": lambda table: [
        (one.result.step, one.result.loss) for one in table.evaluations
    ],
    "readable": lambda table: [(one.step, one.readable) for _, one in table.probed],
    "readable-shuffled": lambda table: [(one.step, one.shuffled) for _, one in table.probed],
    "readable-majority": lambda table: [(one.step, one.majority) for _, one in table.probed],
}
QUANTITIES = (*OF_STEPS, *OF_EVENTS)
OF_LOSS = "loss/"
"""Before the name of a part of the loss."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """[n] steps, rising, and the values there; NaN where one was not finite."""

    name: str
    steps: NDArray[np.int64]
    values: Values

    @classmethod
    def of(cls, table: StepTable, name: str) -> "Quantity":
        """One of `QUANTITIES` or a part of the loss, a `UserError` if it is none.

        A step's last event counts. Parts of the loss are means over the steps of a journal
        line, at its last step.
        """
        if name in OF_STEPS:
            return cls(name, table.steps, OF_STEPS[name](table).astype(np.float64))
        parts = {OF_LOSS + part: means for part, means in table.loss_parts.items()}
        if name in parts:
            return cls(name, *parts[name])
        if name not in OF_EVENTS:
            choices = ", ".join((*QUANTITIES, *parts))
            alone = "no parts of its loss are known; " * (name.startswith(OF_LOSS) and not parts)
            raise UserError(f"there is no '{name}' to query: {alone}choose {choices}")
        found = dict(OF_EVENTS[name](table))
        values = np.array([found[step] for step in sorted(found)], dtype=np.float64)
        return cls(name, np.array(sorted(found), dtype=np.int64), values)

    def at(self, step: int) -> float:
        """The value at a step; a `UserError` says which there are, if it has none."""
        place = int(np.searchsorted(self.steps, step))
        if place < len(self.steps) and self.steps[place] == step:
            return float(self.values[place])
        near = " and ".join(f"{one:,}" for one in self.steps[max(0, place - 1) : place + 1])
        raise UserError(
            f"there is no {self.name} at step {step:,}: {self._there()}"
            + (f"; nearest are {near}" if near else "")
        )

    def between(self, first: int | None, last: int | None, every: int) -> "Quantity":
        """From one step to another, both included, those that are multiples of `every`."""
        wanted = self.steps % every == 0
        wanted &= self.steps >= (0 if first is None else first)
        if last is not None:
            wanted &= self.steps <= last
        if not wanted.any():
            raise UserError(f"there is no {self.name} at the steps asked for: {self._there()}")
        return Quantity(self.name, self.steps[wanted], self.values[wanted])

    def _there(self) -> str:
        if not len(self.steps):
            return "there is none at all yet"
        number = count(len(self.steps), "step")
        return f"{number} from {self.steps[0]:,} to {self.steps[-1]:,} have one"
