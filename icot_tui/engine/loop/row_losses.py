"""Which rows of the last steps were learnt; the losses stay on the device until they are read.

R rows that one process has trained at a step.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from icot_tui.curriculum.removal import Batch, Ints

Learnt = tuple[Ints, Ints]
"""([B], [B]): examples that were learnt at a step, and how much was scheduled for removal."""
Part = tuple[Batch, Tensor]
"""Rows, and the sum of each one's losses [B], on the device."""


class RowLosses:
    """The steps since rows were last taken.

    A row is learnt if its loss in nats, summed or per supervised token, is below the gate. What
    several processes have trained is brought together when it is read, in all of them at once.
    """

    def __init__(
        self, gate_loss: float, per_token: bool, gather: Callable[[list[Learnt]], Any]
    ) -> None:
        """`gather` gives every process's value to every process."""
        self._gate, self._per_token, self._gather = gate_loss, per_token, gather
        self._unread: list[tuple[Ints, Ints, Ints, list[Tensor]]] = []
        self._learnt: list[Learnt] = []

    def add(self, parts: list[Part]) -> None:
        """The rows of one step."""
        rows = [
            (part.index, part.scheduled, part.lengths - part.prompt_lengths) for part, _ in parts
        ]
        index, scheduled, tokens = map(np.concatenate, zip(*rows, strict=True))
        self._unread.append((index, scheduled, tokens, [losses for _, losses in parts]))

    def take(self) -> list[Learnt]:
        """What was learnt at each step since the last time; waits for the device."""
        self._read()
        taken, self._learnt = self._learnt, []
        return taken

    def drop(self) -> None:
        """Forget the steps since then."""
        self._unread, self._learnt = [], []

    def state(self) -> list[list[list[int]]]:
        """What was learnt and not yet taken, as plain JSON; waits for the device."""
        self._read()
        return [[index.tolist(), scheduled.tolist()] for index, scheduled in self._learnt]

    def restore(self, state: list[list[list[int]]]) -> None:
        self._unread = []
        self._learnt = [(_ints(index), _ints(scheduled)) for index, scheduled in state]

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        if not unread:
            return
        losses = torch.cat([one for *_, parts in unread for one in parts]).float().cpu().numpy()
        found, start = [], 0
        for index, scheduled, tokens, _ in unread:
            own = losses[start : start + len(index)]
            start += len(index)
            limit = self._gate * tokens if self._per_token else self._gate
            learnt = (index >= 0) & (own < limit)
            found.append((index[learnt], scheduled[learnt]))
        for step in zip(*self._gather(found), strict=True):
            examples, stages = zip(*step, strict=True)
            self._learnt.append((np.concatenate(examples), np.concatenate(stages)))


def _ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)
