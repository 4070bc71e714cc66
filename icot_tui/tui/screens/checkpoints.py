"""The list of checkpoints to go back to."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.formatting import age, percent
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice

if TYPE_CHECKING:
    from icot_tui.watch.history import Saved


def checkpoint_dialog(view: RunView, effect: Callable[[int], str]) -> ChoiceDialog[int]:
    """Newest first: step, stage, accuracy at that step, age; the answer is the step.

    Args:
        view: of the run.
        effect: says what going back to a step does.
    """
    kept = {checkpoint.step for checkpoint in list_checkpoints(view.source.folder.checkpoints)}
    latest = {saved.step: saved for saved in view.history.saved if saved.step in kept}
    saved = sorted(latest.values(), key=lambda each: each.step, reverse=True)
    if not saved:
        return ChoiceDialog("go back", (), intro="There is no checkpoint yet; s saves one.")
    return ChoiceDialog(
        "go back to a checkpoint",
        [DialogChoice(each.step, _line(each, view.now)) for each in saved],
        intro=f"{'step':>9}  {'stage':>5}  {'exact match':>11}  saved",
        about=effect,
    )


def _line(saved: "Saved", now: float) -> str:
    accuracy = "" if saved.exact_match is None else percent(saved.exact_match)
    return f"{saved.step:>9,}  {saved.stage:>5}  {accuracy:>11}  {age(now - saved.time)}"
