"""A stage for every training example, which rises whenever the example is learnt (ours).

N examples of the training split.
"""

import base64
import zlib
from typing import Any

import numpy as np

from icot_tui.curriculum.removal import Ints
from icot_tui.curriculum.schedule import Mastery
from icot_tui.errors import UserError

LEFT_BEHIND = 0.1
"""The run leaves a stage once no more than this share of the examples is still there, and takes
them along: at every time, at least as much is removed of every example as the run's stage says."""
STORED = np.dtype("<i4")


class ExampleStages:
    """The stages of all training examples.

    An example of which nothing is left is at the greatest stage, however short its chain is.
    """

    def __init__(self, lengths: Ints, schedule: Mastery, greatest_stage: int) -> None:
        """`lengths` [N] are the stages at which nothing is left of each."""
        self._lengths = np.minimum(lengths, schedule.most).astype(np.int64)
        self._schedule, self._greatest = schedule, greatest_stage
        first = min(schedule.first_stage, greatest_stage)
        self._stages = self._whole(slice(None), np.full(len(lengths), first))
        self._counts = self._bins(self._stages)

    def of(self, rows: Ints) -> Ints:
        """[B] the stages of some examples."""
        return self._stages[rows]

    @property
    def counts(self) -> Ints:
        """[greatest stage + 1] examples at each stage."""
        return self._counts.copy()

    @property
    def mastered(self) -> int:
        """The greatest stage below which no more than `LEFT_BEHIND` of the examples are."""
        below = self._counts.cumsum() - self._counts
        allowed = int(LEFT_BEHIND * len(self._stages))
        return int(np.searchsorted(below, allowed, side="right")) - 1

    def learn(self, index: Ints, scheduled: Ints) -> None:
        """Examples [B] of one step were learnt with so many tokens (or steps) [B] removed.

        Each rises by a removal, unless its stage is above that already.
        """
        before = self._stages[index]
        rises = (scheduled >= before) & (before < self._greatest)
        rows, before = index[rises], before[rises]
        after = self._whole(rows, _after_removal(before, self._lengths[rows], self._schedule.share))
        self._stages[rows] = after
        self._counts += self._bins(after) - self._bins(before)

    def rise(self, stage: int, steps_at_stage: int) -> bool:
        """Do examples that are learnt at this step rise? Not while the first stage is warmed up."""
        schedule = self._schedule
        return stage != schedule.first_stage or steps_at_stage >= schedule.warmup_steps

    def lift(self, stage: int) -> None:
        """No example stays below a stage."""
        self._stages = self._whole(slice(None), np.maximum(self._stages, stage))
        self._counts = self._bins(self._stages)

    def state(self) -> str:
        """All stages, compressed, as a text."""
        return base64.b64encode(zlib.compress(self._stages.astype(STORED).tobytes())).decode()

    def restore(self, state: str) -> None:
        """Go back to a state; a `UserError` if it is damaged, or of other examples."""
        try:
            fitting = STORED.itemsize * len(self._stages)
            content = zlib.decompressobj().decompress(base64.b64decode(state), fitting + 1)
            stages = np.frombuffer(content, STORED)
        except (ValueError, zlib.error) as error:
            raise UserError("the checkpoint's stages of the examples are damaged") from error
        if len(stages) != len(self._stages) or not self._possible(stages.astype(np.int64)):
            raise UserError(
                "the checkpoint's stages are not those of these training examples: their number or "
                "the lengths of their chains of thought are others"
            )
        self._stages = stages.astype(np.int64)
        self._counts = self._bins(self._stages)

    def _possible(self, stages: Ints) -> bool:
        return bool(((stages >= 0) & ((stages < self._lengths) | (stages == self._greatest))).all())

    def _whole(self, rows: Any, stages: Ints) -> Ints:
        """Their stages; the greatest one where nothing is left."""
        return np.where(stages >= self._lengths[rows], self._greatest, stages)

    def _bins(self, stages: Ints) -> Ints:
        counts: Ints = np.bincount(stages, minlength=self._greatest + 1)
        return counts


def _after_removal(stages: Ints, lengths: Ints, share: float | None) -> Ints:
    """What `schedule.after_removal` says, of many examples at once."""
    if share is None:
        return stages + 1
    taken: Ints = np.rint(share * (lengths - stages)).astype(np.int64)
    return stages + np.maximum(1, taken)
