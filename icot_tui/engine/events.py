"""The news of a run: small frozen events, each one JSON line of the journal.

`step` counts optimizer steps since the run began. It never goes back, not even after a rollback,
so that it orders all events of a run. The text of an event in plain words is `describe(event)`.
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


ANSWERED = {
    "teacher": "writing its steps",
    "student": "reading the teacher's thoughts",
    "emulator": "reading foretold thoughts",
}
"""What the model did before the answers of an evaluation, in a training of ICoT-KD."""


def how_answered(implicit: bool, phase: str | None) -> str:
    """What the model did before its answers, in the training of that name if there are several."""
    return ANSWERED.get(phase or "", "nothing written" if implicit else "steps still written")


def describe(event: Event, phase: str | None = None) -> str:
    """The event in one plain sentence; `phase` is the training it belongs to, of several."""
    match event:
        case RunStarted(parameters=0):  # nothing is trained
            return (
                f"run {event.name} started: {event.method}, {event.validation_examples:,} "
                f"questions to {event.device}"
            )
        case RunStarted():
            return (
                f"run {event.name} started: {event.method}, {event.parameters:,} parameters on "
                f"{event.device}, {event.train_examples:,} training examples, "
                f"{event.max_cot_tokens} chain-of-thought tokens"
            )
        case ExampleShown():
            return f"the example on show has {len(event.cot)} chain-of-thought tokens"
        case RunResumed():
            return f"going on from {event.checkpoint} at step {event.step:,}"
        case PhaseBegan():
            return f"training {event.number} of {event.phases} begins: {event.title}"
        case PhaseEnded():
            return f"the {event.phase}'s training is over: {event.reason}"
        case ThoughtsStored():
            return (
                f"the teacher's thoughts on {event.examples:,} examples are stored "
                f"({event.bytes / 1e6:,.0f} MB)"
            )
        case ThoughtsCompared():
            blocks = ", ".join(map(_error, event.blocks))
            return f"thoughts are {_error(event.loss)} from the teacher's (by block: {blocks})"
        case StepsTrained():
            known = [loss for loss in event.losses if loss is not None]
            mean = f"{sum(known) / len(known):.4f}" if known else "not finite"
            return f"loss {mean} at stage {event.stage}"
        case TokenRemoved(everything=True):
            return f"the whole chain of thought is removed (stage {event.stage}, {event.cause})"
        case TokenRemoved():
            tokens = f"token {event.stage}"
            if event.stage - event.before > 1:
                tokens = f"tokens {event.before + 1} to {event.stage}"
            return f"{tokens} removed ({event.cause})"
        case OptimizerReset():
            return f"optimizer reset ({event.cause})"
        case LossSpike():
            origin = "" if event.removal is None else f" after removal {event.removal}"
            return f"loss spike{origin}: {_nats(event.loss)}, was {_nats(event.baseline)}"
        case SpikeRecovered():
            return f"recovered after {event.steps:,} steps from a spike of {_nats(event.height)}"
        case Collapsed():
            origin = "" if event.removal is None else f" since removal {event.removal}"
            return f"collapse: neither recovery nor progress for {event.steps:,} steps{origin}"
        case UpdatesSkipped():
            updates = "1 update" if event.skipped == 1 else f"{event.skipped} updates"
            return f"{updates} skipped: loss or gradient not finite"
        case Evaluated():
            where = f" at stage {event.stage}" if phase is None else ""
            how = (
                f", {how_answered(event.implicit, phase)}"
                if phase is not None or event.implicit
                else ""
            )
            return (
                f"exact match {event.exact_match:.1%} ({event.low:.1%} to {event.high:.1%}) on "
                f"{event.examples:,} examples{where}{how}"
            )
        case QuestionsAsked():
            counted = event.prompt_tokens + event.written_tokens
            return (
                f"{event.asked:,} of {event.questions:,} questions asked: "
                f"{event.right / max(event.asked, 1):.1%} right, {event.unread:,} not readable, "
                f"{counted:,} tokens"
            )
        case CheckpointSaved():
            return f"saved {event.path}"
        case CheckpointFailed():
            return f"could not save: {event.reason}"
        case RolledBack():
            return f"went back to {event.checkpoint}, stage {event.stage} ({event.cause})"
        case CommandDone():
            return f"{event.command}: {event.effect}"
        case Paused():
            return f"paused: {event.reason}"
        case Unpaused():
            return "going on"
        case Warned():
            return event.message
        case RunEnded():
            return f"ended: {event.reason}"
    return type(event).__name__


def _error(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"


def _nats(value: float | None) -> str:
    """A loss; one that was not finite has become None on its way through the journal."""
    return "not finite" if value is None else f"{value:.3f}"
