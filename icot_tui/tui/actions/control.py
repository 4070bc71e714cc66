"""From watching a run of another process to controlling it, without leaving the screen."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.screens.dialog import confirmation

if TYPE_CHECKING:
    from icot_tui.tui.app.workbench import Workbench

MEANING = (
    "From now on the keys of the run (pause, hold, advance, roll back, save, stop, ...) send "
    "commands to its trainer, which carries them out between two steps. What changes the run is "
    "confirmed first. The same key makes this screen read-only again."
)


def is_of_another_user(folder: RunFolder) -> bool:
    """Would its trainer not take our commands?"""
    try:
        return os.stat(folder.control).st_uid != os.getuid()
    except (OSError, AttributeError):  # no such folder yet; no users on this system
        return False


class ControlSwitch:
    """Whether this screen may change the run that it watches.

    Control that is taken is of one run: another one that is opened on this screen is only watched.
    """

    def __init__(self, app: "Workbench") -> None:
        self._app = app
        self._always = app.options.control
        self._taken: Path | None = None

    @property
    def on(self) -> bool:
        """May it?"""
        return self._always or (self._taken is not None and self._taken == self._shown)

    @property
    def _shown(self) -> Path | None:
        view = self._app.monitor.view
        return None if view is None else view.source.folder.path

    def handlers(self) -> dict[str, Handler]:
        return {"take-control": self._switch}

    def refusal(self) -> str:
        """Why control can't be taken; empty if it can."""
        view, monitor = self._app.monitor.view, self._app.monitor
        if monitor.engine is not None:
            return "This screen trains the run itself, so it controls it already."
        if monitor.replay is not None:
            return "This is a replay: the run can't be changed."
        if view is None or not view.running:
            return "No trainer is running on this run, so there is nothing to control."
        if view.study:
            return "This is a study: attach one of its runs to control it."
        if is_of_another_user(view.source.folder):
            return "The run belongs to another user, whose trainer takes no commands from you."
        return ""

    def _switch(self) -> None:
        if self.on:
            self._always = False
            self._set(None)
        else:
            run = self._shown  # the one that is asked about
            self._app.push_screen(
                confirmation("take control of the run", MEANING),
                lambda answer: self._set(run) if answer else None,
            )

    def _set(self, run: Path | None) -> None:
        self._taken, on = run, run is not None
        said = "You control this run now." if on else "This screen is read-only again."
        notify_user(self._app, said)
        self._app.draw()
