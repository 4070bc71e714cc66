"""What must survive besides weights, optimizer, curriculum and spike statistics."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


@dataclass
class Best:
    """The best evaluation so far; starts anew once everything is removed (docs/method.md)."""

    exact_match: float = -1.0
    implicit: bool = False
    step: int = 0
    score: float | None = None
    """What is compared: the exact match, unless the training has another measure."""

    def improve(
        self, exact_match: float, implicit: bool, step: int, score: float | None = None
    ) -> bool:
        """Compare with an evaluation; True when that is the best."""
        score = exact_match if score is None else score
        score = -math.inf if math.isnan(score) else score  # nothing would ever be above it
        better = self.score is None or (implicit, score) > (self.implicit, self.score)
        if better:
            self.exact_match, self.implicit, self.step = exact_match, implicit, step
            self.score = score
        return better


class StepCount(NamedTuple):
    """What one step was made of."""

    tokens: int
    """Supervised tokens."""
    rows: int
    """Examples."""
    dropped: int
    """Examples left out because they were too long."""


@dataclass(kw_only=True)
class RunState:
    """Counters of a run. Random numbers need no entry: they are functions of seed and step."""

    step: int = 0
    """Optimizer steps done; never goes back."""
    evaluated_step: int = 0
    """The last step at which an evaluation was completed."""
    warmup_began: int = 0
    """The step at which the learning rate's warm-up last began."""
    learning_rate: float | None = None
    """Peak learning rate, where a command changed it."""
    remove_per_epoch: float | None = None
    """Tokens an epoch, where a command changed it."""
    rollbacks: int = 0
    """How often the run went back to a checkpoint."""
    collapses: int = 0
    """How often it went back because of a collapse."""
    failures: int = 0
    """How often it went back because updates were not finite."""
    skipped_in_a_row: int = 0
    """Updates skipped since the last one that was finite."""
    seconds: float = 0.0
    """Time spent training."""
    unobserved: list[float | None] = field(default_factory=list)
    """Losses that were not yet read: reading earlier than planned would change the schedule."""
    unobserved_norms: list[float | None] = field(default_factory=list)
    """Gradient norms of the same steps."""
    unobserved_counts: list[StepCount] = field(default_factory=list)
    """Counts of the same steps."""
    best: Best = field(default_factory=Best)
    phase_began: int = 0
    """The step at which the present training began, in runs of several."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """The chosen checkpoint's name for each training that is over."""

    @property
    def phase_steps(self) -> int:
        """Steps of the present training."""
        return self.step - self.phase_began

    def next_phase(self, outcomes: dict[str, str]) -> "RunState":
        """The state in which the next training begins."""
        return RunState(
            step=self.step,
            evaluated_step=self.step,
            warmup_began=self.step,
            rollbacks=self.rollbacks,
            seconds=self.seconds,
            phase_began=self.step,
            outcomes=outcomes,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "RunState":
        """The opposite of `as_json`."""
        counts = [StepCount(*count) for count in state["unobserved_counts"]]
        best = Best(**state["best"])
        if best.score is None and best.exact_match >= 0:  # an older version wrote it
            best.score = best.exact_match
        return cls(**(state | {"best": best, "unobserved_counts": counts}))
