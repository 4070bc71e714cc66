"""What can be done to the run on show, and why not."""

from icot_tui.tui.actions.action import Action
from icot_tui.tui.actions.context import LiveContext
from icot_tui.tui.panels.methods import removes


class Availability:
    """Judges actions by the run on show."""

    def __init__(self, context: LiveContext) -> None:
        self._monitor = context.monitor
        self._control = context.options.control

    def refusal(self, action: Action) -> str:
        """Why an action can't be done now; empty if it can."""
        view, monitor, command = self._monitor.view, self._monitor, action.run_command
        if action.group == "replay" and (view is None or monitor.replay is None):
            return "That is for replays: icot-tui attach RUN --replay"
        if command is None:
            return ""
        if monitor.replay is not None:
            return "This is a replay: the run can't be changed."
        if view is None:
            return "The run is still being read; try again in a moment."
        if command.needs_removals and not removes(view.history.summary):
            return "Nothing is removed step by step in this run."
        if monitor.engine is None and not self._control:
            return "You are only watching this run. To control it: icot-tui attach RUN --control"
        if not view.running:
            path = view.source.folder.path
            return f"No trainer is at work on this run any more. Go on with: icot-tui resume {path}"
        return ""

    def mode(self) -> str:
        """How the run is shown, for the header."""
        view, replay = self._monitor.view, self._monitor.replay
        if replay is not None:
            how = "paused" if replay.paused else f"{replay.speed:g} times as fast"
            return f"replay, {how}, {replay.place / max(replay.length, 1e-9):.0%}"
        if self._monitor.engine is not None:
            return ""
        in_control = self._control and view is not None and view.running
        return "watching, in control" if in_control else "watching"
