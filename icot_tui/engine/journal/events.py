"""The news of a run: small frozen events, each one JSON line of the journal.

`step` counts optimizer steps since the run began. It never goes back, not even after a rollback,
so that it orders all events of a run. `wording.describe` has them in plain words.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Something that happened when `step` optimizer steps were done."""

    step: int

    known: ClassVar[dict[str, type["Event"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Event.known[cls.__name__] = cls

    def as_json(self) -> dict[str, Any]:
        """A flat dictionary with the event's name under "event"."""
        return {"event": type(self).__name__} | asdict(self)

    @staticmethod
    def from_json(line: dict[str, Any]) -> "Event | None":
        """The event of a journal line; None for one that a newer version wrote.

        Fields that this version does not know are left out.
        """
        kind = Event.known.get(line.get("event", ""))
        if kind is None:
            return None
        names = {field.name for field in fields(kind)}
        try:
            return kind(**{name: value for name, value in line.items() if name in names})
        except TypeError:
            return None


@dataclass(frozen=True)
class RunStarted(Event):
    """A run began, with the facts that every view of it needs."""

    name: str
    method: str
    version: str
    device: str
    processes: int
    parameters: int
    train_examples: int
    validation_examples: int
    steps_per_epoch: int
    max_cot_tokens: int


@dataclass(frozen=True)
class ExampleShown(Event):
    """A held-out example as its tokens' texts, to show what is left of a chain of thought.

    `removal_order[k]` is the index in `cot` of the token that goes as number k, from 0.
    """

    input: list[str]
    cot: list[str]
    answer: list[str]
    removal_order: list[int]


@dataclass(frozen=True)
class RunResumed(Event):
    """The run goes on from a checkpoint: what the journal says of later steps never happened."""

    checkpoint: str


@dataclass(frozen=True)
class PhaseBegan(Event):
    """One training of a run of several began: losses and accuracies start anew.

    `number` counts from 1 to `phases`, as they are in this run; `unit` is that of the losses.
    """

    phase: str
    number: int
    phases: int
    title: str
    unit: str
    parameters: int
    steps_per_epoch: int


@dataclass(frozen=True)
class PhaseEnded(Event):
    """A training is over, and the next will use the checkpoint that it left."""

    phase: str
    reason: str
    checkpoint: str


@dataclass(frozen=True)
class ThoughtsStored(Event):
    """The teacher's states of all training examples are on disk."""

    examples: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class ThoughtsCompared(Event):
    """How far the emulator's thoughts of held-out examples are from the teacher's.

    `blocks` has half the squared error of each block's thought, a mean over examples; `loss` is
    their sum. The teacher's states have variance 1, so that half the width is knowing nothing.
    """

    loss: float
    blocks: list[float | None]


@dataclass(frozen=True)
class StepsTrained(Event):
    """Losses of the steps `first` to `step`, one each; None where it was not finite or no row fit.

    Losses are mean nats per supervised token (`PhaseBegan.unit` where there is one), before the
    update of that step.
    """

    first: int
    losses: list[float | None]
    gradient_norms: list[float | None]
    stage: int
    learning_rate: float
    supervised_tokens: int
    dropped_rows: int
    seconds: float


@dataclass(frozen=True)
class TokenRemoved(Event):
    """The scheduled stage rose: the step that begins now removes `stage` tokens."""

    before: int
    stage: int
    cause: str
    everything: bool


@dataclass(frozen=True)
class OptimizerReset(Event):
    """AdamW's state was dropped."""

    cause: str


@dataclass(frozen=True)
class LossSpike(Event):
    """The loss stands well above what it was; `removal` is the stage whose removal did it."""

    spike: int
    removal: int | None
    baseline: float
    loss: float


@dataclass(frozen=True)
class SpikeRecovered(Event):
    """The loss is back at its baseline."""

    spike: int
    removal: int | None
    height: float
    steps: int


@dataclass(frozen=True)
class Collapsed(Event):
    """A spike neither recovers nor makes progress: no healthy trough."""

    spike: int
    removal: int | None
    height: float
    steps: int


@dataclass(frozen=True)
class UpdatesSkipped(Event):
    """Updates left out because the loss or a gradient was not finite."""

    skipped: int
    in_a_row: int


@dataclass(frozen=True)
class Evaluated(Event):
    """Exact match on the validation split, at the scheduled stage without smoothing.

    `token_accuracy` has one share for each answer token, last one the closing separator, with the
    gold answer before it; `low` and `high` bound the exact match (95 %, Wilson).
    """

    stage: int
    implicit: bool
    exact_match: float
    low: float
    high: float
    examples: int
    loss: float
    token_accuracy: list[float]
    best: float
    seconds: float
    samples: str


@dataclass(frozen=True)
class QuestionsAsked(Event):
    """How far a prompted run is: `asked` of `questions`, counted since it began.

    `unread` answers could not be read, and count as wrong; `kept` replies were there from earlier.
    """

    asked: int
    questions: int
    right: int
    unread: int
    kept: int
    prompt_tokens: int
    written_tokens: int
    seconds: float


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """A checkpoint is complete on disk."""

    path: str
    stage: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class CheckpointFailed(Event):
    """A checkpoint could not be written; nothing half-written is left."""

    reason: str


@dataclass(frozen=True)
class RolledBack(Event):
    """Weights, optimizer and curriculum are those of a checkpoint; the data goes on."""

    checkpoint: str
    stage: int
    cause: str


@dataclass(frozen=True)
class CommandDone(Event):
    """A command was carried out, or refused, between two steps."""

    id: str
    command: str
    done: bool
    effect: str


@dataclass(frozen=True)
class Paused(Event):
    """The run waits for a command."""

    reason: str


@dataclass(frozen=True)
class Unpaused(Event):
    """The run goes on."""


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know."""

    message: str


@dataclass(frozen=True)
class RunEnded(Event):
    """The trainer stopped; `finished` says whether the recipe was carried out to its end."""

    reason: str
    finished: bool
