"""Alerts reach the user: a message, the bell, the log, and what the settings ask for."""

import logging

from icot_tui.tui.actions.context import LiveContext
from icot_tui.tui.actions.runner import Handler
from icot_tui.tui.screens.summary import SummaryDialog
from icot_tui.watch.alerts import Alert
from icot_tui.watch.notify import Notifier

log = logging.getLogger("icot_tui.alerts")
ALERT_SECONDS = 15.0


class AlertActions:
    """Raises alerts, and switches the bell."""

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._settings = context.options.settings.alerts
        self._notifier = Notifier(
            self._settings.command,
            self._settings.webhook or "",
            logging.getLogger("icot_tui.screen").warning,
        )

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        return {"bell": self._toggle_bell}

    def raise_alert(self, alert: Alert) -> None:
        """Tell the user, by all ways that are wanted."""
        app, monitor = self._context.app, self._context.monitor
        ended = alert.kind in ("finished", "stopped", "died")
        if not (ended and isinstance(app.screen, SummaryDialog)):  # which says so already
            self._context.notify(alert.text, alert.severity, ALERT_SECONDS)
        if self._rings:
            app.bell()
        log.warning("%s", alert.text)
        source = monitor.source
        if source is not None and (monitor.engine is not None or self._context.options.control):
            # Of several viewers, the one that may change the run sends the alert on.
            self._notifier.send(alert, source.folder.name, str(source.folder.path))

    @property
    def _rings(self) -> bool:
        chosen = self._context.state.bell
        return self._settings.bell if chosen is None else chosen

    def _toggle_bell(self) -> None:
        rings = self._context.state.bell = not self._rings
        self._context.save_state()
        told = "The bell rings with alerts." if rings else "Alerts are silent now."
        self._context.notify(told)
