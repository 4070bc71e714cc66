"""Other screens that open over the live one, and the ways out of it."""

from icot_tui.tui.actions.context import LiveContext
from icot_tui.tui.actions.runner import Handler
from icot_tui.tui.play.action_table import PLAY_TABLE
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.screens.questions import how_to_leave
from icot_tui.tui.screens.runs import Runs
from icot_tui.tui.session.screen_exit import ExitChoice


class ScreenActions:
    """Opens the list of runs and the playground, and leaves."""

    def __init__(self, context: LiveContext) -> None:
        self._context = context

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        return {
            "runs": self._list_runs,
            "play": self._play,
            "suspend": self._suspend,
            "quit": self._quit,
        }

    def _list_runs(self) -> None:
        """Open a run, or a trial of the study, or lay it over the one on show."""
        context = self._context

        def closed(_: object) -> None:
            if context.monitor.source is None:
                context.app.exit("close")
            else:
                context.draw()

        runs = Runs(context.options.runs, context.monitor, context.options.study)
        context.app.push_screen(runs, closed)

    def _play(self) -> None:
        """Ask the checkpoints of the run on show, and of those that are laid over it."""
        options, monitor = self._context.options, self._context.monitor
        if monitor.source is None:
            return
        shown = [monitor.source, *(overlay.source for overlay in monitor.overlays)]
        self._context.app.push_screen(
            PlayScreen(
                options.runs,
                [str(source.folder.path) for source in shown],
                options.settings.key_map(PLAY_TABLE),
                ascii_only=options.draws_ascii,
                live=monitor.view is not None and monitor.view.running and not monitor.replay,
            )
        )

    def _suspend(self) -> None:
        """Stop the process, training and all, where there is a shell that can go on with it."""
        app = self._context.app
        if app._driver is None or not app._driver.can_suspend:
            told = "There is no shell here that could go on with it; q leaves."
            self._context.notify(told, "warning")
            return
        app.action_suspend_process()

    def _quit(self) -> None:
        """Close, or ask first what becomes of the training."""
        app, engine = self._context.app, self._context.engine
        self._context.save_state()
        if engine is None or not engine.alive:
            app.exit("close")
            return

        def answered(answer: ExitChoice | None) -> None:
            if answer is not None:
                app.exit(answer)

        app.push_screen(how_to_leave(str(engine.folder.path)), answered)
