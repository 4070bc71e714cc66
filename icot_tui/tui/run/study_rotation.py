"""A study on the screen: its trials at work, drawn over each other, one after the other."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.overlays import COLOURS

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList
    from icot_tui.tui.run.following import Following
    from icot_tui.watch.runs import RunLine

MOST = COLOURS + 1
"""Trials that are drawn at once: the one on show, and the others in a colour each."""
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
        self._laid: dict[Path, RunLine] = {}
        self._due = 0.0

    def look(self, following: "Following") -> None:
        """Show the trials at work; when none is, all that trained."""
        from icot_tui.studies.trial_list import AT_WORK, in_words

        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_SECONDS
        lines = self._trials.read(time.time())
        begun = [line for line in lines if line.folder.config.is_file()]
        working = [line for line in begun if line.status in AT_WORK]
        # Trials that need the same training have the same run.
        shown = list({line.folder.path: line for line in in_turn(working or begun)}.values())
        self.words = in_words(lines)
        if len(shown) > MOST:
            self.words += f", {MOST} of {len(shown)} drawn"
        self._open(following, [line.folder for line in shown])
        self._lay_over(following, shown[:MOST])

    def _open(self, following: "Following", runs: list[RunFolder]) -> None:
        """The first one; when it is over, the next."""
        shown = None if following.source is None else following.source.folder.path
        if runs and shown == self._opened and shown not in [run.path for run in runs]:
            following.open(runs[0])
            self._opened = runs[0].path

    def _lay_over(self, following: "Following", lines: list["RunLine"]) -> None:
        shown = None if following.source is None else following.source.folder.path
        wanted = {line.folder.path: line for line in lines if line.folder.path != shown}
        changed = [self._laid[path] for path in self._laid.keys() - wanted.keys()]
        changed += [line for path, line in wanted.items() if path not in self._laid]
        for line in changed:
            if following.is_overlaid(line.folder) == (line.folder.path in self._laid):
                following.toggle_overlay(line.folder, line.name)
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
