"""The summary of a run: its results, and what one can do next."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widget import Widget

from icot_tui.engine.checkpoints.checkpoint import CheckpointPath, best_or_newest
from icot_tui.engine.journal.events import Evaluated
from icot_tui.engine.journal.wording import how_answered, how_best
from icot_tui.formatting import count, duration, percent, plain
from icot_tui.tui.actions.action import KeyMap, key_label
from icot_tui.tui.panels.methods import progress_text, removes
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice, text

WIDE = 96
ROOM_OF_TITLE = 8
"""Columns of the dialog's border that a title doesn't get."""


@dataclass(frozen=True)
class NextStep:
    """Something to do next: an action of the screen, or else a command to be copied."""

    word: str
    text: str
    action: str = ""


def summary_facts(view: RunView) -> Iterator[tuple[str, str]]:
    """The results of the run so far, as names and values."""
    summary, folder = view.history.summary, view.source.folder
    metrics = summary.metrics
    if summary.facts is not None and not removes(summary):
        yield ("method" if metrics.phase is None else "training"), progress_text(summary)
    elif summary.greatest_stage is not None:
        gone = f"{summary.removed} of {count(summary.greatest_stage, summary.unit_word)} removed"
        if summary.removed >= summary.greatest_stage:
            gone += ": nothing is written any more"
        yield "stage", gone
    evaluations = view.history.evaluations
    if evaluations:
        last = evaluations[-1].result
        between = f"{percent(last.low)} to {percent(last.high)}"
        how = _how(view, last, removes(summary))
        yield "exact match", f"{percent(last.exact_match)}{how} ({between})"
    if metrics.best is not None and metrics.best_step is not None:
        config = summary.config
        tested = config is not None and config.data.reported_split == "test"
        on = " on validation; 'eval' measures the test split" if tested else ""
        how = f", {how_best(metrics)}"
        yield "best", f"{percent(metrics.best)} at step {metrics.best_step:,}{how}{on}"
    yield "steps", f"{metrics.step:,}, {duration(metrics.seconds)} of training"
    spikes = metrics.spikes
    if spikes:
        collapsed = sum(spike.collapsed for spike in spikes)
        recovered = sum(not spike.open for spike in spikes)
        outcome = f"{count(len(spikes), 'spike')}, {recovered} recovered"
        yield "loss", outcome + (f", {collapsed} collapsed" if collapsed else "")
    chosen = _checkpoint(view)
    if chosen is not None:
        yield "checkpoint", str(chosen.path)
    yield "run folder", str(folder.path)


def _how(view: RunView, last: Evaluated, removing: bool) -> str:
    """How the answers of an evaluation came about, to follow its exact match."""
    if removing and not last.implicit:
        return f" at stage {last.stage}"
    phase = view.history.summary.metrics.phase_name
    return (" with " if phase is None else ", ") + how_answered(last.implicit, phase)


def _checkpoint(view: RunView) -> CheckpointPath | None:
    """The best at what the run is for; the newest while it still removes tokens."""
    summary = view.history.summary
    unfinished = removes(summary) and not summary.metrics.best_so_far[0]
    step = None if unfinished else summary.metrics.best_step
    return best_or_newest(view.source.folder.checkpoints, step)


def next_steps(view: RunView) -> Iterator[NextStep]:
    """What one can do now: here, or in a shell."""
    folder = view.source.folder
    chosen = _checkpoint(view)
    if chosen is not None:
        yield NextStep("ask it", "anything, and look inside", "play")
    yield NextStep("compare", "overlay other runs", "runs")
    yield NextStep("export", "every step as CSV, and a model card", "export-run")
    if chosen is not None:
        yield NextStep("measure it", f"icot-tui eval {chosen.path}")
    if view.status in ("stopped", "dead") and folder.config.is_file():  # it may be gone
        yield NextStep("resume", f"icot-tui resume {folder.path}")
    elif view.status == "finished":
        yield NextStep("look again", f"icot-tui attach {folder.path}")


class SummaryDialog(ChoiceDialog[NextStep]):
    """Facts and next steps; Enter does the highlighted one, or copies its command; q quits."""

    def __init__(self, view: RunView, keys: KeyMap, failure: str, quit: Callable[[], None]) -> None:
        self._facts = list(summary_facts(view))
        self._failure = failure
        title, ended = _title(view, failure), view.history.summary.ended
        if ended is not None and cell_len(title) > WIDE - ROOM_OF_TITLE:
            self._facts.insert(0, ("reason", ended.reason))
        super().__init__(title, [_choice(step, keys) for step in next_steps(view)], width=WIDE)
        self._keys, self._quit = keys["quit"], quit
        quit_key = key_label(self._keys[0])
        self.hint = f"enter does it, or copies the command; escape goes back, {quit_key} quits"

    def content(self) -> Sequence[Widget]:
        failure = [text(Content.styled(plain(self._failure), "$error"))] if self._failure else []
        wide = max(len(name) for name, _ in self._facts) + 2
        facts = Content("\n").join(
            Content.assemble((name.ljust(wide), "dim"), plain(value)) for name, value in self._facts
        )
        question = Content.styled("What next?", "bold $primary")
        return [*failure, text(facts), text(question), *super().content()]

    def on_key(self, event: events.Key) -> None:
        if event.key in self._keys:
            event.stop()
            self.dismiss(None)
            self.app.call_later(self._quit)


def _choice(step: NextStep, keys: KeyMap) -> DialogChoice[NextStep]:
    key = next(iter(keys[step.action]), "") if step.action else ""
    indent = "" if key else "   "
    return DialogChoice(step, f"{indent}{step.word:<12} {plain(step.text)}", key=key)


def _title(view: RunView, failure: str) -> str:
    name = plain(view.source.folder.name)
    if failure:
        return f"the training of {name} failed"
    ended = view.history.summary.ended
    if ended is None:
        return f"{name}: trainer gone" if view.status == "dead" else f"{name} so far"
    return plain(f"{name} {view.status}: {ended.reason}")
