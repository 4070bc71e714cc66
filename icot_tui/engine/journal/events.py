"""The events of a run: frozen records, each one JSON line of the journal.

docs/journal-format.md describes the lines; `wording.describe` puts an event in plain words. A text
for people (a reason, a cause, an effect) never decides anything: what a program needs has a field
of its own.
"""

from typing import Annotated

import msgspec

from icot_tui.units import UNIT_WORDS, Unit

SCHEMA = 2  # version of the journal's schema that this code writes; it reads all earlier ones
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=True):
    """Something that happened when `step` optimizer steps were done.

    `step` never goes back, not even after a rollback, so that it orders all events of a run.
    """

    step: Int64


class RunStarted(Event, frozen=True, kw_only=True):
    """A run began, with the facts that every view of it needs."""

    name: str
    method: str
    version: str
    device: str
    processes: Int64
    parameters: Int64
    train_examples: Int64
    validation_examples: Int64
    steps_per_epoch: Int64
    max_cot_tokens: Int64
    max_cot_steps: Int64 | None = None  # None: stages are tokens, not steps
    schema: Int64 = 1  # the journal's version; icot-tui 0.1.0 left it out

    @property
    def unit(self) -> Unit:
        """What a stage counts."""
        return "token" if self.max_cot_steps is None else "step"

    @property
    def unit_word(self) -> str:
        """The same for people."""
        return UNIT_WORDS[self.unit]

    @property
    def greatest_stage(self) -> int:
        """The stage from which on nothing is left of any chain of thought."""
        return self.max_cot_tokens if self.max_cot_steps is None else self.max_cot_steps


class ExampleShown(Event, frozen=True, kw_only=True):
    """A held-out example as its tokens' texts, to show what is left of a chain of thought."""

    input: list[str]
    cot: list[str]
    answer: list[str]
    removal_order: list[Int64]  # [k] is the index in `cot` of the token removed as number k, from 0
    removed_at: list[Int64] = []  # [s] tokens removed at stage s; empty: s of them

    def removed(self, stage: int) -> int:
        """Tokens of `cot` that are gone at a stage."""
        if not self.removed_at:
            return min(stage, len(self.cot))
        return self.removed_at[min(stage, len(self.removed_at) - 1)]


class RunResumed(Event, frozen=True, kw_only=True):
    """The run continues from a checkpoint: what the journal says of later steps never happened.

    `changes` says in words with which other settings or data the checkpoint was trained; a resume
    with such changes is not exact.
    """

    checkpoint: str
    changes: list[str] = []


SQUARED_ERROR = "half the squared error an example"
"""The unit of an emulator's losses."""


class PhaseBegan(Event, frozen=True, kw_only=True):
    """One training of a run of several began: losses and accuracies start over."""

    phase: str
    number: Int64  # from 1 to `phases`, as they are in this run
    phases: Int64
    title: str
    unit: str  # of the losses
    parameters: Int64
    steps_per_epoch: Int64


class PhaseEnded(Event, frozen=True, kw_only=True):
    """A training is over, and the next will use the checkpoint that it left."""

    phase: str
    reason: str
    checkpoint: str


class ThoughtsStored(Event, frozen=True, kw_only=True):
    """The teacher's states of all training examples are on disk."""

    examples: Int64
    bytes: Int64
    seconds: float


class ThoughtsCompared(Event, frozen=True, kw_only=True):
    """How far the emulator's thoughts of held-out examples are from the teacher's.

    The teacher's states have variance 1, so that half the width is knowing nothing.
    """

    loss: float | None  # the sum of the blocks
    blocks: list[float | None]  # half of each block's squared error, a mean over examples


class StepsTrained(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Losses of the steps `first` to `step`, one each; None where it was not finite or no row fit.

    They are mean nats per supervised token (or in `PhaseBegan.unit`), before each step's update.
    Where the loss is a sum of several parts, `loss_parts` has the mean of each over those of the
    steps whose loss was finite, weighted as it enters the sum: they add up to the mean loss.
    `gated_loss` is what a loss gate is held against now, in its own unit.
    """

    first: Int64
    losses: list[float | None]
    gradient_norms: list[float | None]
    stage: Int64
    learning_rate: float
    supervised_tokens: Int64
    dropped_rows: Int64
    seconds: float
    loss_parts: dict[str, float | None] = {}  # None where not known
    gated_loss: float | None = None  # None without a loss gate, and until its window is full


class TokenRemoved(Event, frozen=True, kw_only=True):
    """The scheduled stage rose: the step that begins now removes `stage` tokens, or steps."""

    before: Int64
    stage: Int64
    cause: str
    everything: bool
    unit: Unit = "token"


class NextTokensProbed(Event, frozen=True, kw_only=True):
    """How well what goes next is read before it is written; shares of held-out examples.

    The shares are means over the tokens, None where nothing is known. `readable` is at the best
    layer below the last one; `layers` has the embeddings first and the last layer at its end.
    """

    before: Int64
    stage: Int64  # after the removal
    tokens: Int64  # that were read, of those that go
    examples: Int64
    readable: float | None
    shuffled: float | None  # the same with shuffled labels
    majority: float | None  # by saying the most common token
    layers: list[float]
    seconds: float
    unknown: str = ""  # why nothing is known
    unit: Unit = "token"


class ComputeCounted(Event, frozen=True, kw_only=True):
    """What each step from here on computes, until the next line of this kind."""

    flops: Int64  # of forward and backward pass of one batch, in all processes


class ExamplesCounted(Event, frozen=True, kw_only=True):
    """How many training examples are at each stage, where every example has one of its own."""

    least: Int64  # stage of any
    examples: list[Int64]  # at this stage and at each one after it, up to the last one with any
    unit: Unit = "token"


class OptimizerReset(Event, frozen=True, kw_only=True):
    """The optimizer's state was dropped."""

    cause: str


class LossSpike(Event, frozen=True, kw_only=True):
    """The loss stands well above what it was."""

    spike: Int64
    removal: Int64 | None  # the stage whose removal did it
    baseline: float | None
    loss: float | None


class SpikeRecovered(Event, frozen=True, kw_only=True):
    """The loss is back at its baseline."""

    spike: Int64
    removal: Int64 | None
    height: float | None
    steps: Int64


class Collapsed(Event, frozen=True, kw_only=True):
    """A spike neither recovers nor makes progress: no healthy trough."""

    spike: Int64
    removal: Int64 | None
    height: float | None
    steps: Int64


class UpdatesSkipped(Event, frozen=True, kw_only=True):
    """Updates left out because the loss or a gradient was not finite."""

    skipped: Int64
    in_a_row: Int64


class Evaluated(Event, frozen=True, kw_only=True):
    """Exact match on the validation split, at the scheduled stage without smoothing."""

    stage: Int64
    implicit: bool
    exact_match: float
    low: float  # end of the exact match's 95 % interval (Wilson)
    high: float
    examples: Int64
    loss: float | None
    # a share for each answer token, the closing separator last, with the gold answer before it
    token_accuracy: list[float]
    best: float
    seconds: float
    samples: str


class QuestionsAsked(Event, frozen=True, kw_only=True):
    """How far a prompted run is: `asked` of `questions`, counted since it began."""

    asked: Int64
    questions: Int64
    right: Int64
    unread: Int64  # answers that could not be read, and count as wrong
    kept: Int64  # replies that were there from earlier
    prompt_tokens: Int64
    written_tokens: Int64
    seconds: float


class CheckpointSaved(Event, frozen=True, kw_only=True):
    """A checkpoint is complete on disk."""

    path: str
    stage: Int64
    bytes: Int64
    seconds: float


class CheckpointFailed(Event, frozen=True, kw_only=True):
    """A checkpoint could not be written; nothing half-written is left."""

    reason: str


class RolledBack(Event, frozen=True, kw_only=True):
    """Weights, optimizer and curriculum are those of a checkpoint; the data continues."""

    checkpoint: str
    stage: Int64
    cause: str


class CommandDone(Event, frozen=True, kw_only=True):
    """A command was carried out, or refused, between two steps."""

    id: str
    command: str
    done: bool
    effect: str
    held: bool | None = None  # after a `hold` that was carried out: is the schedule held now?


class Paused(Event, frozen=True, kw_only=True):
    """The run waits for a command."""

    reason: str


class Unpaused(Event, frozen=True, kw_only=True):
    """The run continues."""


class Warned(Event, frozen=True, kw_only=True):
    """Something the user should know."""

    message: str


class RunEnded(Event, frozen=True, kw_only=True):
    """The trainer stopped; `finished` says whether the recipe was carried out to its end."""

    reason: str
    finished: bool


EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
"""Every event by its name in the journal."""
