"""Losses and gradient norms that stay on the device until they are read, all at once."""

import math
from dataclasses import dataclass, field

from torch import Tensor, stack

Scalar = Tensor | float | None


@dataclass
class StepBuffer:
    """One loss and one gradient norm for each step since the last reading.

    A number that was read already, as after a resume, is kept as it is; None stands for a step
    without a batch, or for what was not finite.
    """

    losses: list[Scalar] = field(default_factory=list)
    norms: list[Scalar] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, loss: Scalar, norm: Scalar) -> None:
        """Append a step."""
        self.losses.append(loss)
        self.norms.append(norm)

    def read(self) -> tuple[list[float | None], list[float | None]]:
        """(losses, norms) as numbers; waits for the device."""
        return _numbers(self.losses), _numbers(self.norms)


def _numbers(values: list[Scalar]) -> list[float | None]:
    """Scalars from the device in one go; what is not finite becomes None.

    Nine digits tell every float32 apart, and keep the journal half as long as seventeen would.
    """
    tensors = [value for value in values if isinstance(value, Tensor)]
    read = iter(stack(tensors).tolist() if tensors else [])
    numbers = [next(read) if isinstance(value, Tensor) else value for value in values]
    return [float(f"{n:.9g}") if n is not None and math.isfinite(n) else None for n in numbers]
