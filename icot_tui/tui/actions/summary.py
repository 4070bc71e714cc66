"""The summary of a run: on request, and once its training ends."""

from icot_tui.tui.actions.context import LiveContext
from icot_tui.tui.actions.export import copy_text
from icot_tui.tui.actions.runner import Handler
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.summary import NextStep, SummaryDialog
from icot_tui.watch.source import Source


class SummaryActions:
    """Opens the summary, and follows whether it is due."""

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._shown = False
        self._running: Source | None = None

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        return {"summary": self._show}

    def update(self, view: RunView) -> None:
        """Show it once, when the training of this process ends, or the one that is watched."""
        engine = self._context.monitor.engine
        if engine is None:
            self._update_watched(view)
        elif not self._shown and (
            engine.phase == "failed" or (engine.phase == "ended" and view.source.caught_up)
        ):
            self._shown = True
            self._show(engine.error or "")

    def _update_watched(self, view: RunView) -> None:
        if self._context.monitor.replay is not None or view.study or not view.source.caught_up:
            return
        if view.running:
            if self._running is None and isinstance(self._context.app.screen, SummaryDialog):
                self._context.app.screen.dismiss(None)  # the run that had ended goes on
            self._running = view.source
        elif self._running is view.source:
            self._running = None
            self._show()

    def _show(self, failure: str = "") -> None:
        context, view = self._context, self._context.monitor.view
        if view is None:
            return

        def chosen(step: NextStep | None) -> None:
            if step is not None and step.action:
                context.perform(step.action)
            elif step is not None:
                copy_text(context.app, step.text, "command")

        dialog = SummaryDialog(view, context.keys, failure, lambda: context.perform("quit"))
        context.app.push_screen(dialog, chosen)
