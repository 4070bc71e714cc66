"""Other screens that open over the live one, and the ways out of it."""

from functools import partial
from typing import TYPE_CHECKING

from icot_tui.tui.actions.action import key_map
from icot_tui.tui.actions.export import copy_text
from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.play.action_table import PLAY_TABLE
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.questions import how_to_leave
from icot_tui.tui.screens.summary import NextStep, SummaryDialog
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.source import Source

if TYPE_CHECKING:
    from icot_tui.tui.app.workbench import Workbench
    from icot_tui.tui.screens.runs import ListChoices


class ScreenActions:
    """Opens the list of runs, configs, the playground and the summary, and leaves.

    What the first frame does not show is imported when it is opened.
    """

    def __init__(self, app: "Workbench") -> None:
        self._app = app
        self._summary_shown = False
        self._running: Source | None = None
        self._list_choices: ListChoices | None = None

    def handlers(self) -> dict[str, Handler]:
        return {
            "runs": self._list_runs,
            "config": self._show_config,
            "play": self._play,
            "summary": self._show_summary,
            "suspend": self._suspend,
            "home": partial(self._leave, home=True),
            "quit": partial(self._leave, home=False),
        }

    def _list_runs(self) -> None:
        """Open a run, or a trial of the study, or overlay it on the one on show."""
        from icot_tui.tui.screens.runs import ListChoices, Runs

        app = self._app
        self._list_choices = self._list_choices or ListChoices()

        def closed(_: object) -> None:
            if app.monitor.source is None:
                app.leave(home=app.options.from_home)
            else:
                app.draw()

        options = app.options
        runs = Runs(
            options.runs, app.monitor, options.study, options.draws_ascii, self._list_choices
        )
        app.push_screen(runs, closed)

    def _show_config(self) -> None:
        """The config of the run on show, and where those of its overlays differ."""
        from icot_tui.tui.screens.config import ConfigDialog

        monitor = self._app.monitor
        if monitor.source is not None:
            folder = monitor.source.folder
            others = [(one.name, one.source.folder) for one in monitor.overlays]
            runs = [(folder.name, folder), *others]
            self._app.push_screen(ConfigDialog(runs, self._app.options.draws_ascii))

    def _play(self) -> None:
        """Ask the checkpoints of the run on show, and of its overlays."""
        from icot_tui.tui.play.screen import PlayScreen

        options, monitor = self._app.options, self._app.monitor
        if monitor.source is None:
            return
        shown = [monitor.source, *(overlay.source for overlay in monitor.overlays)]
        self._app.push_screen(
            PlayScreen(
                options.runs,
                [str(source.folder.path) for source in shown],
                key_map(PLAY_TABLE, options.settings.keys),
                ascii_only=options.draws_ascii,
                live=monitor.view is not None and monitor.view.running and not monitor.replay,
            )
        )

    def show_summary_if_due(self, view: RunView) -> None:
        """Show it once, when the training of this process ends, or the one that is watched."""
        engine = self._app.monitor.engine
        if engine is None:
            self._follow_watched(view)
        elif not self._summary_shown and (
            engine.phase == "failed" or (engine.phase == "ended" and view.source.caught_up)
        ):
            self._summary_shown = True
            self._show_summary(engine.error or "")

    def _follow_watched(self, view: RunView) -> None:
        if self._app.monitor.replay is not None or view.study or not view.source.caught_up:
            return
        if view.running:
            if self._running is None and isinstance(self._app.screen, SummaryDialog):
                self._app.screen.dismiss(None)  # the run that had ended goes on
            self._running = view.source
        elif self._running is view.source:
            self._running = None
            self._show_summary()

    def _show_summary(self, failure: str = "") -> None:
        app, view = self._app, self._app.monitor.view
        if view is None:
            return

        def chosen(step: NextStep | None) -> None:
            if step is not None and step.action:
                app.action_perform(step.action)
            elif step is not None:
                copy_text(app, step.text, "command")

        dialog = SummaryDialog(view, app.keys, failure, lambda: app.action_perform("quit"))
        app.push_screen(dialog, chosen)

    def _suspend(self) -> None:
        """Stop the process, training and all, where there is a shell that can go on with it."""
        app = self._app
        if app._driver is None or not app._driver.can_suspend:
            told = "There is no shell here to return to; q quits."
            notify_user(app, told, "warning")
        else:
            app.action_suspend_process()

    def _leave(self, home: bool) -> None:
        """Close, or ask first what becomes of the training."""
        app, engine = self._app, self._app.engine
        app.save_state()
        if engine is None or not engine.alive:
            app.leave(home=home)
            return

        def answered(answer: ExitChoice | None) -> None:
            if answer is not None:
                app.leave(answer, home=home)

        app.push_screen(how_to_leave(str(engine.folder.path), home), answered)
