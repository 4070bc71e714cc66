"""All actions of the live screen: what can be done now, and what follows each redraw."""

import logging
from typing import TYPE_CHECKING

from icot_tui.tui.actions.action import Action, key_label
from icot_tui.tui.actions.control import ControlSwitch
from icot_tui.tui.actions.export import LiveExport
from icot_tui.tui.actions.run_commands import RunCommandActions
from icot_tui.tui.actions.runner import ActionRunner, notify_user
from icot_tui.tui.actions.screen_actions import ScreenActions
from icot_tui.tui.actions.table import LIVE_TABLE
from icot_tui.tui.actions.view_actions import ViewActions
from icot_tui.tui.panels.methods import removes
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.summary import SummaryDialog
from icot_tui.watch.alerts import Alert

if TYPE_CHECKING:
    from icot_tui.tui.app.workbench import Workbench

log = logging.getLogger("icot_tui.alerts")
ALERT_SECONDS = 15.0


class LiveActions:
    """Runs the actions, and tells the user what happened to the run."""

    def __init__(self, app: "Workbench") -> None:
        self._app = app
        self._monitor = app.monitor
        self._settings = app.options.settings.alerts
        self._commands = RunCommandActions(app)
        self._control = ControlSwitch(app)
        self._screens = ScreenActions(app)
        self.runner = ActionRunner(
            app,
            LIVE_TABLE,
            app.keys,
            {
                "theme": app.themes.choose,
                "bell": self._toggle_bell,
                **self._commands.handlers(),
                **self._control.handlers(),
                **self._screens.handlers(),
                **ViewActions(app).handlers(),
                **LiveExport(app).handlers(),
            },
            ascii=app.options.draws_ascii,
            refusal=self._refusal,
        )

    def before_redraw(self) -> None:
        """Answers to commands: the log that is drawn next has those that are told by it."""
        self._commands.report_results()

    def after_redraw(self, view: RunView) -> None:
        """The summary at the end, and alerts."""
        self._screens.show_summary_if_due(view)
        for alert in self._monitor.alerts(view):
            if alert.kind != "paused":  # the header shows that, and the user may have done it
                self._raise_alert(alert)

    def mode(self) -> str:
        """How the run is shown, for the header."""
        view, replay = self._monitor.view, self._monitor.replay
        if replay is not None:
            how = "paused" if replay.paused else f"{replay.speed:g}x speed"
            return f"replay, {how}, {replay.place / max(replay.length, 1e-9):.0%}"
        if self._monitor.engine is not None:
            return ""
        if view is not None and not view.running:  # the status says it
            return ""
        return "attached, in control" if self._control.on and view is not None else "watching"

    def _refusal(self, action: Action) -> str:
        """Why an action can't be done now; empty if it can."""
        view, monitor, command = self._monitor.view, self._monitor, action.run_command
        if action.group == "replay" and (view is None or monitor.replay is None):
            return "That is for replays: icot-tui attach RUN --replay"
        if action.name == "home" and not self._app.options.from_home:
            return "The home screen is where 'icot-tui' alone begins; this run was opened directly."
        if action.name == "take-control":
            return self._control.refusal()
        if action.name == "parts" and not (view and view.history.summary.metrics.loss_parts):
            return "No parts of this loss are known: that of most methods has only one."
        if command is None:
            return ""
        if monitor.replay is not None:
            return "This is a replay: the run can't be changed."
        if view is None:
            return "The run is still being read; try again in a moment."
        if command.needs_removals and not removes(view.history.summary):
            return "This run's method removes nothing step by step."
        if monitor.engine is None and not self._control.on:
            keys = self._app.keys["take-control"]
            how = f"{key_label(keys[0])} takes" if keys else "the command 'take control' takes"
            return f"You are only watching this run: {how} control of it."
        if not view.running:
            path = view.source.folder.path
            return f"No trainer is running on this run. Resume it with: icot-tui resume {path}"
        if (
            command.needs_removals
            and view.history.summary.metrics.everything_removed_at is not None
        ):
            return "Nothing is left to remove: the whole chain of thought is gone."
        return ""

    def _raise_alert(self, alert: Alert) -> None:
        """Tell the user: a message, the bell and the log; elsewhere the run's own alerter tells."""
        app = self._app
        ended = alert.kind in ("finished", "stopped", "died")
        if not (ended and isinstance(app.screen, SummaryDialog)):  # which says so already
            notify_user(app, alert.text, alert.severity, ALERT_SECONDS)
        if self._rings:
            app.bell()
        log.warning("%s", alert.text)

    @property
    def _rings(self) -> bool:
        chosen = self._app.state.bell
        return self._settings.bell if chosen is None else chosen

    def _toggle_bell(self) -> None:
        rings = self._app.state.bell = not self._rings
        self._app.save_state()
        notify_user(self._app, "The bell rings with alerts." if rings else "Alerts are silent now.")
