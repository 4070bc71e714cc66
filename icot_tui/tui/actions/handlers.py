"""What the actions of the screen itself do, by their names in the table."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from icot_tui.tui.actions import clipboard, replay, theme_actions
from icot_tui.tui.actions.action import Action
from icot_tui.tui.screens.ending import Ending, Offer
from icot_tui.tui.screens.help import Help
from icot_tui.tui.screens.leaving import how_to_leave
from icot_tui.tui.screens.palette import Palette
from icot_tui.tui.screens.welcome import Welcome
from icot_tui.tui.session.screen_exit import ExitChoice

if TYPE_CHECKING:
    from icot_tui.tui.app.app import Severity, WorkbenchApp
    from icot_tui.watch.alerts import Alert

log = logging.getLogger("icot_tui.alerts")
Do = Callable[["WorkbenchApp"], None]


def mode(app: "WorkbenchApp") -> str:
    """What one may do to the run, in a word or two."""
    if app.following.replaying:
        return replay.words(app)
    if app.following.own:
        return ""
    return "watching, in control" if app.controls and at_work(app) else "watching"


def at_work(app: "WorkbenchApp") -> bool:
    """Is there a trainer that could be told something?"""
    return app.view is not None and app.view.status not in ("finished", "stopped", "dead")


def removes(app: "WorkbenchApp") -> bool:
    """Does the run on show remove tokens step by step, as far as is known?"""
    from icot_tui.tui.panels.methods import removes  # takes long; the first frame goes without

    return app.view is None or removes(app.view.history.summary)


def why_not(app: "WorkbenchApp", action: Action) -> str:
    """Why an action can't be done now."""
    if action.group == "replay":
        return "That is for replays: icot-tui attach RUN --replay"
    if app.following.replaying:
        return "This is a replay; the run can't be stepped into."
    if app.view is None:
        return "The run is still being read; try again in a moment."
    if action.needs_removals and not removes(app):
        return "Nothing is removed step by step in this run."
    if app.controls and not at_work(app):
        path = app.view.source.folder.path
        return f"No trainer is at work on this run any more. Go on with: icot-tui resume {path}"
    return "You are only watching this run. To step in: icot-tui attach RUN --control"


def leave(app: "WorkbenchApp") -> None:
    """Close, or ask first what becomes of the training."""
    engine = app.engine
    app.remember()
    if engine is None or not engine.alive:
        app.exit("close")
        return

    def answered(answer: ExitChoice | None) -> None:
        if answer is not None:
            app.exit(answer)

    app.push_screen(how_to_leave(str(engine.folder.path)), answered)


def suspend(app: "WorkbenchApp") -> None:
    """Stop the process, training and all, where there is a shell that can go on with it."""
    if app._driver is None or not app._driver.can_suspend:
        app.tell("There is no shell here that could go on with it; q leaves.", "warning")
        return
    app.action_suspend_process()


def show_help(app: "WorkbenchApp") -> None:
    """All keys."""
    app.push_screen(Help(app.actions(), app.keys, app.options.draws_ascii))


def open_palette(app: "WorkbenchApp") -> None:
    """Every action by its name."""

    def chosen(name: str | None) -> None:
        if name is not None:
            app.action_do(name)

    app.push_screen(Palette(app.actions(), app.keys), chosen)


def list_runs(app: "WorkbenchApp") -> None:
    """Open a run, or a trial of the study, or lay it over the one on show."""
    from icot_tui.tui.screens.runs import Runs

    def closed(_: object) -> None:
        if app.following.source is None:
            app.exit("close")
        else:
            app.draw()

    app.push_screen(Runs(app.options.runs, app.following, app.options.study), closed)


def play(app: "WorkbenchApp") -> None:
    """Ask the checkpoints of the run on show, and of those that are laid over it."""
    from icot_tui.tui.play.screen import PlayScreen

    source = app.following.source
    if source is None:
        return
    folders = [source.folder, *(overlay.source.folder for overlay in app.following.overlays)]
    app.push_screen(
        PlayScreen(
            app.options.runs,
            [str(folder.path) for folder in folders],
            ascii_only=app.options.draws_ascii,
            live=at_work(app) and not app.following.replaying,
        )
    )


def sum_up(app: "WorkbenchApp", failure: str = "") -> None:
    """What came of the run, and what to do next."""
    if app.view is None:
        return

    def chosen(offer: Offer | None) -> None:
        if offer is not None and offer.action:
            app.action_do(offer.action)
        elif offer is not None:
            clipboard.copy_text(app, offer.text, "command")

    app.push_screen(Ending(app.view, app.keys, failure, lambda: leave(app)), chosen)


def sum_up_no_more(app: "WorkbenchApp") -> None:
    """The run that had ended goes on: its summary is none any more."""
    if isinstance(app.screen, Ending):
        app.screen.dismiss(None)


def welcome(app: "WorkbenchApp") -> None:
    """The first words of the demo."""
    engine = app.engine

    def gone_on(wanted: str | None) -> None:
        if wanted is not None:
            app.action_do(wanted)

    said = Welcome(
        app.keys, lambda: None if engine is None else engine.startup_phase, app.options.draws_ascii
    )
    app.push_screen(said, gone_on)


def raise_alert(app: "WorkbenchApp", alert: "Alert") -> None:
    """Toast, bell, log, and what the settings say."""
    severity = cast(
        "Severity", {"error": "error", "warning": "warning"}.get(alert.severity, "information")
    )
    if not (alert.kind in ("finished", "stopped", "died") and isinstance(app.screen, Ending)):
        app.tell(alert.text, severity, seconds=15.0)
    if rings(app):
        app.bell()
    log.warning("%s", alert.text)
    source = app.following.source
    if source is not None and (app.following.own or app.options.control):
        # One viewer of several tells others: the one that may step in.
        app.notifier.send(alert, source.folder.name, str(source.folder.path))


def rings(app: "WorkbenchApp") -> bool:
    """Does the bell ring with alerts?"""
    chosen = app.state.bell
    return app.options.settings.alerts.bell if chosen is None else chosen


def toggle_bell(app: "WorkbenchApp") -> None:
    """Ring, or be silent."""
    app.state.bell = not rings(app)
    app.remember()
    app.tell("The bell rings with alerts." if app.state.bell else "Alerts are silent now.")


def filter_log(app: "WorkbenchApp") -> None:
    """Search the log."""
    app.live.go_to("log")
    panel = app.live.board.panels["log"]
    app.call_later(lambda: app.call_after_refresh(panel.run_action, "filter"))


def switch_axis(app: "WorkbenchApp") -> None:
    """Steps, hours, removed tokens, and again."""
    from icot_tui.tui.app.user_state import AXES

    at = AXES.index(app.following.axis)
    app.following.axis = AXES[(at + 1) % len(AXES)]
    app.remember()
    app.draw()


def switch_digits(app: "WorkbenchApp") -> None:
    """A curve for each digit of the answer, or one of exact match."""
    from icot_tui.tui.panels.accuracy import AccuracyPanel

    panel = app.live.board.panels["accuracy"]
    assert isinstance(panel, AccuracyPanel)
    panel.toggle_digits()


HANDLERS: dict[str, Do] = {
    "help": show_help,
    "palette": open_palette,
    "quit": leave,
    "suspend": suspend,
    "runs": list_runs,
    "play": play,
    "summary": sum_up,
    "bell": toggle_bell,
    "filter": filter_log,
    "axis": switch_axis,
    "digits": switch_digits,
    "back": theme_actions.back,
    "theme": theme_actions.choose_theme,
    "full-screen": theme_actions.full_screen,
    "panels": theme_actions.choose_panels,
    "grow": theme_actions.grow,
    "shrink": theme_actions.shrink,
    "copy": clipboard.copy_panel,
    "export": clipboard.export_chart,
    "export-run": clipboard.export_run,
    "screenshot": clipboard.screenshot,
    **replay.HANDLERS,
}
