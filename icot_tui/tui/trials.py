"""A study on the screen: its trials at work, drawn over each other, one after the other."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.compare import COLOURS

if TYPE_CHECKING:
    from icot_tui.studies.trials import TrialList
    from icot_tui.tui.following import Following

LOOK_SECONDS = 2.0
"""Between two looks at the study."""


class Trials:
    """Chooses the runs on show; what the user opens or lays over stays.

    Attributes:
        words: how far the study is.
    """

    def __init__(self, trials: "TrialList") -> None:
        self.words = ""
        self._trials = trials
        self._opened: Path | None = None
        self._laid: dict[Path, RunFolder] = {}
        self._due = 0.0

    def look(self, following: "Following") -> None:
        """Show the trials at work; when none is, all that trained."""
        from icot_tui.studies.trials import AT_WORK, in_words

        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_SECONDS
        lines = self._trials.read(time.time())
        self.words = in_words(lines)
        begun = [line for line in lines if line.folder.config.is_file()]
        working = [line for line in begun if line.status in AT_WORK]
        # Trials that need the same training have the same run.
        runs = list({line.folder.path: line.folder for line in working or begun}.values())
        self._open(following, runs)
        self._lay_over(following, runs)

    def _open(self, following: "Following", runs: list[RunFolder]) -> None:
        """The first one; when it is over, the next."""
        shown = None if following.source is None else following.source.folder.path
        if runs and shown == self._opened and shown not in [run.path for run in runs]:
            following.open(runs[0])
            self._opened = runs[0].path

    def _lay_over(self, following: "Following", runs: list[RunFolder]) -> None:
        shown = None if following.source is None else following.source.folder.path
        wanted = {run.path: run for run in runs[:COLOURS] if run.path != shown}
        changed = [self._laid[path] for path in self._laid.keys() - wanted.keys()]
        changed += [wanted[path] for path in wanted.keys() - self._laid.keys()]
        for run in changed:
            if following.is_overlaid(run) == (run.path in self._laid):
                following.toggle_overlay(run)
        self._laid = wanted
