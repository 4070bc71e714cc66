"""The summary of a run: what came of it, and what one can do next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.widget import Widget

from icot_tui.engine.checkpoints.checkpoint import best_or_newest
from icot_tui.engine.journal.events import Evaluated
from icot_tui.engine.journal.wording import how_answered
from icot_tui.formatting import count, duration, percent, plain
from icot_tui.tui.actions.action import KeyMap, key_label
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice, text

Fact = tuple[str, str]


@dataclass(frozen=True)
class NextStep:
    """Something to do next: an action of the screen, or else a command to be copied."""

    word: str
    text: str
    action: str = ""


def summary_facts(view: RunView) -> list[Fact]:
    """What came of the run so far, as names and values."""
    from icot_tui.tui.panels.methods import removes, where  # takes long, and is seldom needed

    summary, folder = view.history.summary, view.source.folder
    metrics = summary.metrics
    facts: list[Fact] = []
    if summary.facts is not None and not removes(summary):
        facts.append(("method" if metrics.phase is None else "training", where(summary)))
    elif summary.max_cot_tokens is not None:
        gone = f"{summary.removed_tokens} of {summary.max_cot_tokens} tokens removed"
        nothing = ": nothing is written any more"
        everything = summary.removed_tokens >= summary.max_cot_tokens
        facts.append(("stage", gone + nothing * everything))
    evaluations = view.history.evaluations
    if evaluations:
        last = evaluations[-1].result
        between = f"{percent(last.low)} to {percent(last.high)}"
        how = _how(view, last, removes(summary))
        facts.append(("exact match", f"{percent(last.exact_match)}{how} ({between})"))
    if metrics.best is not None and metrics.best_step is not None:
        facts.append(("best", f"{percent(metrics.best)} at step {metrics.best_step:,}"))
    facts.append(("steps", f"{metrics.step:,}, {duration(metrics.seconds)} of training"))
    spikes = metrics.spikes
    if spikes:
        collapsed = sum(spike.collapsed for spike in spikes)
        recovered = sum(not spike.open for spike in spikes)
        told = f"{count(len(spikes), 'spike')}, {recovered} recovered"
        facts.append(("loss", told + f", {collapsed} collapsed" * bool(collapsed)))
    best = best_or_newest(folder.checkpoints, metrics.best_step)
    if best is not None:
        facts.append(("checkpoint", str(best.path)))
    facts.append(("run folder", str(folder.path)))
    return facts


def _how(view: RunView, last: Evaluated, removing: bool) -> str:
    """How the answers of an evaluation came about, to be said after its exact match."""
    if removing and not last.implicit:
        return f" at stage {last.stage}"
    phase = view.history.summary.metrics.phase_name
    return (" with " if phase is None else ", ") + how_answered(last.implicit, phase)


def next_steps(view: RunView) -> list[NextStep]:
    """What one can do now: here, or in a shell."""
    folder, best_step = view.source.folder, view.history.summary.metrics.best_step
    best = best_or_newest(folder.checkpoints, best_step)
    found: list[NextStep] = []
    if best is not None:
        found.append(NextStep("ask it", "anything, and look inside", "play"))
    found.append(NextStep("compare", "lay other runs over it", "runs"))
    found.append(NextStep("export", "every step as CSV, and a model card", "export-run"))
    if best is not None:
        found.append(NextStep("measure it", f"icot-tui eval {best.path}"))
    if view.status in ("stopped", "dead"):
        found.append(NextStep("go on", f"icot-tui resume {folder.path}"))
    elif view.status == "finished":
        found.append(NextStep("look again", f"icot-tui attach {folder.path}"))
    return found


class SummaryDialog(ChoiceDialog[NextStep]):
    """Facts and next steps; Enter does the highlighted one, or copies its command; q quits."""

    DEFAULT_CSS = """
    SummaryDialog .facts { height: auto; margin-bottom: 1; }
    """

    def __init__(
        self, view: RunView, keys: KeyMap, failure: str = "", quit: Callable[[], None] | None = None
    ) -> None:
        self._facts = summary_facts(view)
        self._failure = failure
        super().__init__(
            _title(view, failure), [_choice(step, keys) for step in next_steps(view)], width=96
        )
        self._keys, self._quit = keys["quit"], quit
        quit_key = key_label(self._keys[0])
        self.hint = f"enter does it, or copies the command; escape goes back, {quit_key} quits"

    def content(self) -> Sequence[Widget]:
        """What went wrong if something did, facts, commands."""
        widgets: list[Widget] = []
        if self._failure:
            widgets.append(text(Content.styled(plain(self._failure), "$error")))
        wide = max(len(name) for name, _ in self._facts) + 2
        lines: list[tuple[str, str]] = []
        for at, (name, value) in enumerate(self._facts):
            lines += [("\n" * (at > 0), ""), (f"{name:<{wide}}", "dim"), (plain(value), "")]
        widgets.append(text(Content.assemble(*lines)))
        widgets.append(text(Content.styled("What next?", "bold $primary")))
        return [*widgets, *super().content()]

    def on_key(self, event: events.Key) -> None:
        """Leave the screen below as well."""
        if event.key in self._keys and self._quit is not None:
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
        return f"{name} is dead: no more is written" if view.status == "dead" else f"{name} so far"
    return plain(f"{name} {view.status}: {ended.reason}")
