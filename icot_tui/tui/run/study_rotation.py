"""A study on the screen: its trials at work, drawn over each other, one after the other."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.overlays import COLOURS

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList
    from icot_tui.watch.runs import RunLine
    from icot_tui.watch.source import Source

MOST = COLOURS + 1
"""Trials that are drawn at once: the one on show, and the others in a colour each."""
STUDY_SECONDS = 2.0
"""Between two readings of the study."""


class ShownRuns(Protocol):
    """The runs on show: what a study chooses."""

    source: "Source | None"

    def open(self, folder: RunFolder) -> None:
        """Show this run."""

    def is_overlaid(self, folder: RunFolder) -> bool:
        """Is this run drawn beside the one on show?"""

    def toggle_overlay(self, folder: RunFolder, name: str = "") -> None:
        """Draw a run beside the one on show, or no longer."""


class StudyRotation:
    """Chooses the runs on show; what the user opens or lays over stays.

    Attributes:
        progress: how far the study is, in words.
    """

    def __init__(self, trials: "TrialList") -> None:
        self.progress = ""
        self._trials = trials
        self._opened: Path | None = None
        self._laid: dict[Path, RunLine] = {}
        self._due = 0.0

    def update(self, runs: ShownRuns) -> None:
        """Show the trials at work; when none is, all that trained."""
        from icot_tui.studies.trial_list import AT_WORK, in_words  # only studies need it

        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + STUDY_SECONDS
        lines = self._trials.read(time.time())
        begun = [line for line in lines if line.folder.config.is_file()]
        working = [line for line in begun if line.status in AT_WORK]
        # Trials that need the same training have the same run.
        shown = list({line.folder.path: line for line in in_turn(working or begun)}.values())
        self.progress = in_words(lines)
        if len(shown) > MOST:
            self.progress += f", {MOST} of {len(shown)} drawn"
        self._open_next(runs, [line.folder for line in shown])
        self._lay_over(runs, shown[:MOST])

    def _open_next(self, runs: ShownRuns, trials: list[RunFolder]) -> None:
        """Show the first one; when it is over, the next."""
        shown = None if runs.source is None else runs.source.folder.path
        if trials and shown == self._opened and shown not in [trial.path for trial in trials]:
            runs.open(trials[0])
            self._opened = trials[0].path

    def _lay_over(self, runs: ShownRuns, lines: "list[RunLine]") -> None:
        shown = None if runs.source is None else runs.source.folder.path
        wanted = {line.folder.path: line for line in lines if line.folder.path != shown}
        changed = [self._laid[path] for path in self._laid.keys() - wanted.keys()]
        changed += [line for path, line in wanted.items() if path not in self._laid]
        for line in changed:
            if runs.is_overlaid(line.folder) == (line.folder.path in self._laid):
                runs.toggle_overlay(line.folder, line.name)
        self._laid = wanted


def in_turn(lines: Sequence["RunLine"]) -> list["RunLine"]:
    """First seeds first, then the second ones: where not all are drawn, each variant is."""
    met: Counter[str] = Counter()
    turns = []
    for line in lines:
        variant = line.name.rpartition(", seed ")[0]
        turns.append((met[variant], line))
        met[variant] += 1
    return [line for _, line in sorted(turns, key=lambda turn: turn[0])]
