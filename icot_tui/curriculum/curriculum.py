"""The curriculum of one run: the schedule's progress, and the commands that override it."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from icot_tui.curriculum.mastery import ExampleStages
from icot_tui.curriculum.removal import Ints
from icot_tui.curriculum.schedule import LossGated, Schedule, StageProgress, clock_of

STATE = ("stage", "steps_at_stage", "pace", "held")
"""Public attributes that a checkpoint holds."""


@dataclass(frozen=True)
class StageChange:
    """The scheduled stage rose when a step began."""

    before: int
    after: int
    resets_optimizer: bool


class Curriculum:
    """Asks the schedule at each step, and keeps what the schedule depends on.

    From the greatest stage, the longest chain of thought, on everything is removed. The loss is
    averaged over `gate_window` steps; `resets_optimizer`: a removal drops the optimizer's state.
    With `examples`, each example has a stage of its own, and the scheduled one is the least.
    """

    def __init__(
        self,
        schedule: Schedule,
        greatest_stage: int,
        gate_window: int = 50,
        resets_optimizer: bool = True,
        examples: ExampleStages | None = None,
    ) -> None:
        self.schedule = schedule
        self.greatest_stage = greatest_stage
        self._resets_optimizer = resets_optimizer
        self._losses: deque[float] = deque(maxlen=gate_window)
        self.stage = min(schedule.first_stage, greatest_stage)
        self.steps_at_stage = 0
        self.pace = 1.0
        self.held = False
        self.examples = examples
        self._requested = 0
        self._batch_was_implicit = False

    @property
    def cause(self) -> str:
        """Who wants the next removal."""
        return "by command" if self._requested else "on schedule"

    @property
    def implicit(self) -> bool:
        """Is every chain of thought removed at the scheduled stage?"""
        return self.stage >= self.greatest_stage

    def due(self) -> bool:
        """Would the stage rise if a step began now?"""
        return self.next_stage() > self.stage

    def begin_step(self) -> StageChange | None:
        """Call before each step: the change of stage that takes effect with it, if any."""
        after = self.next_stage()
        self._requested = 0
        if after <= self.stage:
            return None
        resets = self._resets_optimizer and not self._batch_was_implicit
        change = StageChange(self.stage, after, resets)
        self.stage, self.steps_at_stage = after, 0
        self.held &= not self.implicit  # nothing is left to hold
        self._losses.clear()
        if self.examples is not None:
            self.examples.lift(after)
        return change

    def next_stage(self) -> int:
        """The stage if a step began now."""
        if self._requested:
            return min(self.stage + self._requested, self.greatest_stage)
        if self.held or self.implicit:
            return self.stage
        mastered = 0 if self.examples is None else self.examples.mastered
        now = StageProgress(
            self.stage, self.steps_at_stage, self.smoothed_loss, self.pace, mastered
        )
        return min(self.schedule.stage(now), self.greatest_stage)

    def stages_of(self, rows: Ints) -> Ints | int:
        """The stage of training examples [B]: one for all, or [B]."""
        return self.stage if self.examples is None else self.examples.of(rows)

    @property
    def examples_rise(self) -> bool:
        """Does an example that is learnt at this step rise?"""
        stages = self.examples
        return stages is not None and not self.held and stages.rise(self.stage, self.steps_at_stage)

    def learn(self, learnt: Iterable[tuple[Ints, Ints]]) -> None:
        """Rows of steps so far were learnt, in order: see `ExampleStages.learn`."""
        assert self.examples is not None, "every example has a stage of its own"
        for index, scheduled in learnt:
            self.examples.learn(index, scheduled)

    @property
    def following_stage(self) -> int:
        """The stage after the next removal on schedule; the same where there is none."""
        return max(self.stage, min(self.schedule.following(self.stage), self.greatest_stage))

    def end_step(self, batch_was_implicit: bool) -> None:
        """Call after each step; `batch_was_implicit`: no row of it had a CoT token left."""
        self.steps_at_stage += not self.held
        self._batch_was_implicit = batch_was_implicit

    def add_losses(self, losses: Iterable[float]) -> None:
        """Append losses of steps since the last removal, in order."""
        self._losses.extend(losses)

    @property
    def smoothed_loss(self) -> float | None:
        """Mean loss over the window since the last removal, once the window is full."""
        full = len(self._losses) == self._losses.maxlen
        return sum(self._losses) / len(self._losses) if full else None

    @property
    def gated_loss(self) -> float | None:
        """The smoothed loss, if the schedule waits for it to fall."""
        gated = isinstance(clock_of(self.schedule), LossGated)
        return self.smoothed_loss if gated and not self.implicit else None

    @property
    def requested_stage(self) -> int:
        """The stage after all that `advance` has asked for."""
        return self.stage + self._requested

    def advance(self, stages: int = 1) -> None:
        """Remove this many more tokens (or steps) when the next step begins, schedule or not."""
        self._requested += stages

    def slow_down(self, factor: float) -> None:
        """Let every later stage last `factor` times as long."""
        self.pace *= factor

    def state(self) -> dict[str, Any]:
        """All that must survive, as plain JSON."""
        examples = {} if self.examples is None else {"examples": self.examples.state()}
        return {
            **{name: getattr(self, name) for name in STATE},
            **examples,
            "wished": self._requested,
            "batch_was_implicit": self._batch_was_implicit,
            "losses": list(self._losses),
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name in STATE:
            setattr(self, name, state[name])
        self._requested = state["wished"]
        self._batch_was_implicit = state["batch_was_implicit"]
        self._losses.clear()
        self._losses.extend(state["losses"])
        if self.examples is not None:
            if state.get("examples"):  # else another schedule wrote it
                self.examples.restore(state["examples"])
            self.examples.lift(self.stage)
