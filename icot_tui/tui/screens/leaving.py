"""The question at `q`: what becomes of the training."""

from icot_tui.tui.screens.dialog import Choice, Choose
from icot_tui.tui.session.leave import Leave


def how_to_leave(run: str) -> Choose[Leave]:
    """Train on without a screen, save and stop, stop at once; escape stays."""
    return Choose(
        "leave the screen",
        (
            Choice[Leave](
                "detach",
                "leave it training in the background",
                f"the shell comes back; look again: icot-tui attach {run}",
                "d",
            ),
            Choice[Leave](
                "save",
                "save and stop",
                f"this step is saved; go on: icot-tui resume {run}",
                "s",
            ),
            Choice[Leave](
                "now", "stop now", "what was trained since the last checkpoint is lost", "n"
            ),
        ),
        intro="The run is still training.",
        width=76,
    )
