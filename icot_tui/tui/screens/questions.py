"""The dialogs that ask for what a command needs: a number, a checkpoint, a way to leave."""

from collections.abc import Callable, Sequence

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.formatting import age, percent
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.dialog import ChoiceDialog, Dialog, DialogChoice, Value, text
from icot_tui.tui.session.run_app import ExitChoice


def whole_number(least: int, most: int | None) -> Callable[[str], int]:
    """A parser of whole numbers within bounds; it raises ValueError with a sentence."""

    def parse(text: str) -> int:
        try:
            value = int(text.replace(",", ""))
        except ValueError:
            raise ValueError("Enter a whole number, such as 1.") from None
        if value < least:
            raise ValueError(f"It must be {least} or more.")
        if most is not None and value > most:
            raise ValueError(f"It can be {most:,} at most: no more tokens are left.")
        return value

    return parse


def positive_number(text: str) -> float:
    """Parses a number above 0; raises ValueError with a sentence."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("Enter a number, such as 8, 0.5 or 5e-5.") from None
    if not 0 < value < float("inf"):
        raise ValueError("It must be above 0, and finite.")
    return value


class InputDialog(Dialog[Value]):
    """An input line; says at once whether what is written is valid, and what it would do."""

    def __init__(
        self,
        title: str,
        intro: str,
        present: str,
        parse: Callable[[str], Value],
        about: Callable[[Value], str],
    ) -> None:
        super().__init__()
        self.title_in_words = title
        self.hint = "enter accepts, escape cancels"
        self._intro = intro
        self._present = present
        self._parse = parse
        self._about = about

    def content(self) -> Sequence[Widget]:
        field = Input(self._present, select_on_focus=True)
        field.cursor_blink = False
        return [text(self._intro), field, text("", id="about")]

    def on_mount(self) -> None:
        self._explain(self._present)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._explain(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        try:
            self.dismiss(self._parse(event.value.strip()))
        except ValueError:
            self.app.bell()

    def _explain(self, written: str) -> None:
        about = self.query_one("#about", Static)
        about.remove_class("-wrong")
        try:
            explanation = self._about(self._parse(written.strip()))
        except ValueError as error:
            explanation = str(error)
            about.add_class("-wrong")
        about.update(Content(explanation))


def checkpoint_dialog(view: RunView, effect: Callable[[int], str]) -> ChoiceDialog[int]:
    """Newest first: step, stage, accuracy at that step, age; the answer is the step.

    `effect` says what going back to a step does.
    """
    kept = {checkpoint.step for checkpoint in list_checkpoints(view.source.folder.checkpoints)}
    latest = {saved.step: saved for saved in view.history.saved if saved.step in kept}
    if not latest:
        return ChoiceDialog("go back", (), intro="There is no checkpoint yet; s saves one.")
    results = [evaluation.result for evaluation in view.history.summary.metrics.evaluations]
    accuracy = {result.step: percent(result.exact_match) for result in results}
    choices = [
        DialogChoice(
            step,
            f"{step:>9,}  {latest[step].stage:>5}  {accuracy.get(step, ''):>11}  "
            + age(view.now - latest[step].time),
        )
        for step in sorted(latest, reverse=True)
    ]
    heading = f"{'step':>9}  {'stage':>5}  {'exact match':>11}  saved"
    return ChoiceDialog("roll back to a checkpoint", choices, intro=heading, about=effect)


def how_to_leave(run: str, home: bool = False) -> ChoiceDialog[ExitChoice]:
    """Train on without a screen, save and stop, stop at once; escape stays.

    `home`: the home screen comes next, not the shell.
    """
    again = f"look again: icot-tui attach {run}"
    background = "the home screen leads back to it" if home else f"the shell returns; {again}"
    save = f"this step is saved; resume: icot-tui resume {run}"
    lose = "training since the last checkpoint is lost"
    choices: tuple[DialogChoice[ExitChoice], ...] = (
        DialogChoice("detach", "leave it training in the background", background, "d"),
        DialogChoice("save", "save and stop", save, "s"),
        DialogChoice("now", "stop now", lose, "n"),
    )
    title = "go to the home screen" if home else "leave the screen"
    return ChoiceDialog(title, choices, intro="The run is still training.", width=76)
