"""All actions of the live screen together, and what follows each redraw."""

from collections.abc import Mapping

from icot_tui.tui.actions.alerts import AlertActions
from icot_tui.tui.actions.availability import Availability
from icot_tui.tui.actions.context import LiveContext
from icot_tui.tui.actions.live_export import LiveExport
from icot_tui.tui.actions.replay import ReplayActions
from icot_tui.tui.actions.run_commands import RunCommandActions
from icot_tui.tui.actions.runner import ActionRunner, Handler
from icot_tui.tui.actions.screen_actions import ScreenActions
from icot_tui.tui.actions.summary import SummaryActions
from icot_tui.tui.actions.table import LIVE_TABLE
from icot_tui.tui.actions.view_actions import ViewActions
from icot_tui.tui.run.view import RunView


class LiveActions:
    """Runs the actions, and tells the user what happened to the run.

    Attributes:
        availability: says what can be done now.
        runner: does it.
    """

    def __init__(self, context: LiveContext, others: Mapping[str, Handler]) -> None:
        self._monitor = context.monitor
        self._commands = RunCommandActions(context)
        self._summary = SummaryActions(context)
        self._alerts = AlertActions(context)
        self.availability = Availability(context)
        groups = (
            self._commands,
            self._summary,
            self._alerts,
            ViewActions(context),
            ReplayActions(context),
            LiveExport(context),
            ScreenActions(context),
        )
        handlers = dict(others)
        for group in groups:
            handlers |= group.handlers()
        self.runner = ActionRunner(
            context.app,
            LIVE_TABLE,
            context.keys,
            handlers,
            ascii=context.options.draws_ascii,
            refusal=self.availability.refusal,
        )

    def after_redraw(self, view: RunView) -> None:
        """Answers to commands, the summary at the end, alerts."""
        self._commands.report_results()
        self._summary.update(view)
        for alert in self._monitor.alerts(view):
            self._alerts.raise_alert(alert)
