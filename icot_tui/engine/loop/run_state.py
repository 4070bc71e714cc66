"""What must survive besides weights, optimizer, curriculum and spike statistics."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import repeat
from statistics import fmean
from typing import Any, NamedTuple

from torch import Tensor, stack

from icot_tui.units import NLL

Scalar = Tensor | float | None
Parts = Mapping[str, Scalar]
"""Of one step's loss, by their names; empty where it is of one part."""


@dataclass
class Best:
    """The best evaluation so far; starts over once everything is removed (docs/method.md)."""

    exact_match: float = -1.0
    implicit: bool = False
    step: int = 0
    score: float | None = None  # what is compared: the exact match, or the training's own measure

    def improve(self, exact_match: float, implicit: bool, step: int, score: float) -> bool:
        """Compare with an evaluation; True when that is the best."""
        score = -math.inf if math.isnan(score) else score  # nothing would ever be above it
        better = self.score is None or (implicit, score) > (self.implicit, self.score)
        if better:
            self.exact_match, self.implicit = exact_match, implicit
            self.step, self.score = step, score
        return better


class StepCount(NamedTuple):
    """What one step was made of."""

    tokens: int  # supervised tokens
    rows: int  # examples
    dropped: int  # examples left out because they were too long


class Step(NamedTuple):
    """What one step left behind; None without a batch, or where it was not finite."""

    loss: float | None
    norm: float | None  # of the gradient
    counts: StepCount
    parts: dict[str, float | None]  # of the loss; empty where it is of one part
    at_stage: float | None = None  # of the rows at the stage itself, if a gate asks for it

    @property
    def nll(self) -> float | None:
        """The tokens' loss, without what else enters it."""
        return None if self.loss is None else self.parts.get(NLL, self.loss)

    @property
    def nll_per_row(self) -> float | None:
        """Nats, summed over a row's tokens."""
        return None if self.nll is None else self.nll * self.counts.tokens / self.counts.rows


def mean_parts(steps: Sequence[Step]) -> dict[str, float | None]:
    """The mean of each part over the steps with a finite loss: they add up to the mean loss.

    None where no step has one, or one of them lacks it (an older version trained it).
    """
    names = dict.fromkeys(name for step in steps for name in step.parts)
    known = [step.parts for step in steps if step.loss is not None]
    found: dict[str, float | None] = {}
    for name in names:
        values = [value for parts in known if (value := parts.get(name)) is not None]
        whole = 0 < len(values) == len(known)
        found[name] = nine_digits(fmean(values)) if whole else None
    return found


@dataclass(kw_only=True)
class RunState:
    """Counters of a run. Random numbers need no entry: they are functions of seed and step."""

    step: int = 0  # optimizer steps done; never goes back
    evaluated_step: int = 0  # the last step at which an evaluation was completed
    warmup_began: int = 0  # the step at which the learning rate's warm-up last began
    learning_rate: float | None = None  # peak learning rate, where a command changed it
    used_rate: float = 0.0  # learning rate of the last step
    remove_per_epoch: float | None = None  # removals an epoch, where a command changed it
    rollbacks: int = 0  # how often the run went back to a checkpoint
    collapses: int = 0  # how often it went back because of a collapse
    failures: int = 0  # how often it went back because updates were not finite
    skipped_in_a_row: int = 0  # updates skipped since the last one that was finite
    seconds: float = 0.0  # time spent training
    unobserved: list[Scalar] = field(default_factory=list)
    """Losses that were not yet read: reading earlier than planned would change the schedule.

    On the device, or numbers once they were saved; None without a batch, or where not finite.
    """
    unobserved_norms: list[Scalar] = field(default_factory=list)  # gradient norms of the same steps
    unobserved_counts: list[StepCount] = field(default_factory=list)  # counts of the same steps
    unobserved_parts: list[Parts] = field(default_factory=list)  # of the same losses
    unobserved_at_stage: list[Scalar] = field(default_factory=list)  # see `Step.at_stage`
    uncounted: bool = True  # is what a step computes now yet to be counted?
    best: Best = field(default_factory=Best)
    phase_began: int = 0  # the step at which the present training began, in runs of several
    outcomes: dict[str, str] = field(default_factory=dict)  # checkpoints of earlier trainings

    @property
    def phase_steps(self) -> int:
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

    def take_unobserved(self) -> list[Step]:
        """The steps since the last call; waits for the device."""
        losses, norms = _numbers(self.unobserved), _numbers(self.unobserved_norms)
        counts, parts = self.unobserved_counts, _read_parts(self.unobserved_parts)
        at_stage: list[float | None] = _numbers(self.unobserved_at_stage)
        parts = [{}] * (len(losses) - len(parts)) + parts  # older versions kept none
        at_stage = [*repeat(None, len(losses) - len(at_stage)), *at_stage]
        self.unobserved, self.unobserved_norms, self.unobserved_at_stage = [], [], []
        self.unobserved_counts, self.unobserved_parts = [], []
        return list(map(Step, losses, norms, counts, parts, at_stage))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; waits for the device."""
        self.unobserved = [*_numbers(self.unobserved)]
        self.unobserved_norms = [*_numbers(self.unobserved_norms)]
        self.unobserved_parts = [*_read_parts(self.unobserved_parts)]
        self.unobserved_at_stage = [*_numbers(self.unobserved_at_stage)]
        return asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "RunState":
        counts = [StepCount(*count) for count in state["unobserved_counts"]]
        best = Best(**state["best"])
        if best.score is None and best.exact_match >= 0:  # an older version wrote it
            best.score = best.exact_match
        return cls(**(state | {"best": best, "unobserved_counts": counts}))


def nine_digits(number: float) -> float:
    """They tell every float32 apart, and keep the journal half as long as seventeen would."""
    return float(f"{number:.9g}")


def _read_parts(steps: list[Parts]) -> list[dict[str, float | None]]:
    """The parts of each step's loss from the device in one go."""
    read = iter(_numbers([value for parts in steps for value in parts.values()]))
    return [{name: next(read) for name in parts} for parts in steps]


def _numbers(values: list[Scalar]) -> list[float | None]:
    """Scalars from the device in one go; what is not finite becomes None."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    read = iter(stack(tensors).tolist() if tensors else [])
    numbers = [next(read) if isinstance(value, Tensor) else value for value in values]
    return [nine_digits(n) if n is not None and math.isfinite(n) else None for n in numbers]
