"""Events in plain words."""

from itertools import accumulate

from icot_tui.engine.journal import events
from icot_tui.engine.journal.metrics import Metrics
from icot_tui.formatting import count, listed, short_percent
from icot_tui.units import UNIT_WORDS

ANSWERED = {
    "teacher": "writing its steps",
    "student": "reading the teacher's thoughts",
    "emulator": "reading the emulator's thoughts",
}
"""What the model did before the answers of an evaluation, in a training of ICoT-KD."""


def how_answered(implicit: bool, phase: str | None) -> str:
    """What the model did before its answers, in the training of that name if there are several."""
    return ANSWERED.get(phase or "", "nothing written" if implicit else "steps still written")


def how_best(metrics: Metrics) -> str:
    """At what the best evaluation so far is the best: how much is written there."""
    implicit, phase = metrics.best_so_far[0], metrics.phase_name
    if implicit or phase in ANSWERED or not metrics.best_stage:
        return how_answered(implicit, phase)
    return f"at stage {metrics.best_stage}, {how_answered(implicit, phase)}"


def describe(event: events.Event, phase: str | None = None) -> str:
    """The event in one plain sentence; `phase` is the training it belongs to, of several."""
    match event:
        case events.RunStarted(parameters=0):  # nothing is trained
            return (
                f"run {event.name} started: {event.method}, {event.validation_examples:,} "
                f"questions to {event.device}"
            )
        case events.RunStarted():
            steps = event.max_cot_steps
            of_steps = "" if steps is None else f" in up to {count(steps, 'step')}"
            return (
                f"run {event.name} started: {event.method}, {event.parameters:,} parameters on "
                f"{event.device}, {event.train_examples:,} training examples, "
                f"{event.max_cot_tokens} chain-of-thought tokens{of_steps}"
            )
        case events.ExampleShown():
            return f"the example on show has {len(event.cot)} chain-of-thought tokens"
        case events.RunResumed():
            return f"going on from {event.checkpoint} at step {event.step:,}"
        case events.PhaseBegan():
            return f"training {event.number} of {event.phases} begins: {event.title}"
        case events.PhaseEnded():
            return f"the {event.phase}'s training is over: {event.reason}"
        case events.ThoughtsStored():
            return (
                f"the teacher's thoughts on {event.examples:,} examples are stored "
                f"({event.bytes / 1e6:,.0f} MB)"
            )
        case events.ThoughtsCompared():
            blocks = ", ".join(map(decimal, event.blocks))
            return f"thoughts are {decimal(event.loss)} from the teacher's (by block: {blocks})"
        case events.StepsTrained():
            known = [loss for loss in event.losses if loss is not None]
            mean = f"{sum(known) / len(known):.4f}" if known else "not finite"
            return f"loss {mean} at stage {event.stage}"
        case events.TokenRemoved(everything=True):
            return f"the whole chain of thought is removed (stage {event.stage}, {event.cause})"
        case events.TokenRemoved():
            return f"{that_go(event)} removed ({event.cause})"
        case events.NextTokensProbed():
            return _readable(event)
        case events.ComputeCounted():
            return f"a step takes {event.flops / 1e9:,.3g} billion floating-point operations"
        case events.ExamplesCounted():
            return f"examples by {UNIT_WORDS[event.unit]}s removed: {how_many(event)}"
        case events.OptimizerReset():
            return f"optimizer reset ({event.cause})"
        case events.LossSpike():
            origin = "" if event.removal is None else f" after removal {event.removal}"
            return f"loss spike{origin}: {decimal(event.loss)}, was {decimal(event.baseline)}"
        case events.SpikeRecovered():
            return f"recovered after {event.steps:,} steps from a spike of {decimal(event.height)}"
        case events.Collapsed():
            origin = "" if event.removal is None else f" since removal {event.removal}"
            return f"collapse: neither recovery nor progress for {event.steps:,} steps{origin}"
        case events.UpdatesSkipped():
            return f"{count(event.skipped, 'update')} skipped: loss or gradient not finite"
        case events.Evaluated():
            result = (
                f"exact match {short_percent(event.exact_match)} ({short_percent(event.low)} to "
                f"{short_percent(event.high)}) on {event.examples:,} examples"
            )
            if phase is None and not event.implicit:
                return f"{result} at stage {event.stage}"
            return f"{result}, {how_answered(event.implicit, phase)}"
        case events.QuestionsAsked():
            counted = event.prompt_tokens + event.written_tokens
            return (
                f"{event.asked:,} of {event.questions:,} questions asked: "
                f"{short_percent(event.right / max(event.asked, 1))} right, "
                f"{event.unread:,} not readable, {counted:,} tokens"
            )
        case events.CheckpointSaved():
            return f"saved {event.path}"
        case events.CheckpointFailed():
            return f"could not save: {event.reason}"
        case events.RolledBack():
            return f"went back to {event.checkpoint}, stage {event.stage} ({event.cause})"
        case events.CommandDone():
            return f"{event.command}: {event.effect}"
        case events.Paused():
            return f"paused: {event.reason}"
        case events.Unpaused():
            return "going on"
        case events.Warned():
            return event.message
        case events.RunEnded():
            return f"ended: {event.reason}"
    return type(event).__name__


def that_go(event: events.TokenRemoved | events.NextTokensProbed) -> str:
    """`token 4` or `tokens 5 to 8`: what goes when the stage rises."""
    word = UNIT_WORDS[event.unit]
    if event.stage - event.before > 1:
        return f"{word}s {event.before + 1} to {event.stage}"
    return f"{word} {event.stage}"


def _readable(event: events.NextTokensProbed) -> str:
    what = f"{that_go(event)}, next to go: readable "
    if event.readable is None:
        return f"{what}before being written is not known: {event.unknown}"
    shuffled = "–" if event.shuffled is None else f"{event.shuffled:.2f}"
    return f"{what}{event.readable:.2f} (shuffled {shuffled})"


def how_readable(event: events.NextTokensProbed) -> str:
    """`0.83 (shuffled labels 0.21, most common token 0.29)`."""
    found = (event.readable, event.shuffled, event.majority)
    readable, shuffled, majority = ("–" if one is None else f"{one:.2f}" for one in found)
    return f"{readable} (shuffled labels {shuffled}, most common token {majority})"


MOST_LISTED = 6
"""Stages whose shares are told one by one."""


def how_many(event: events.ExamplesCounted) -> str:
    """`62% at 3, 25% at 4 and 13% at 5`, or of many stages where they begin, end and are halved."""
    total = max(1, sum(event.examples))
    found = [(event.least + at, many) for at, many in enumerate(event.examples) if many]
    if len(found) <= MOST_LISTED:
        return listed([f"{short_percent(many / total)} at {stage}" for stage, many in found])
    at_most = zip(accumulate(many for _, many in found), found, strict=True)
    half = next(stage for sum_so_far, (stage, _) in at_most if 2 * sum_so_far >= total)
    return f"{found[0][0]} to {found[-1][0]}, half of them at most {half}"


def decimal(value: float | None) -> str:
    """A loss or an error; one that was not finite is None since its way through the journal."""
    return "not finite" if value is None else f"{value:.3f}"
