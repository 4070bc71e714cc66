"""The question at `q`: what becomes of the training."""

from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice
from icot_tui.tui.session.screen_exit import ExitChoice


def how_to_leave(run: str) -> ChoiceDialog[ExitChoice]:
    """Train on without a screen, save and stop, stop at once; escape stays."""
    return ChoiceDialog(
        "leave the screen",
        (
            DialogChoice[ExitChoice](
                "detach",
                "leave it training in the background",
                f"the shell comes back; look again: icot-tui attach {run}",
                "d",
            ),
            DialogChoice[ExitChoice](
                "save",
                "save and stop",
                f"this step is saved; go on: icot-tui resume {run}",
                "s",
            ),
            DialogChoice[ExitChoice](
                "now", "stop now", "what was trained since the last checkpoint is lost", "n"
            ),
        ),
        intro="The run is still training.",
        width=76,
    )
