"""The trials of a study as its files have them, for views from other processes."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from icot_tui.engine.run_folder import RunFolder
from icot_tui.studies.existing_runs import RunIndex
from icot_tui.studies.folder import STUDIES, StudyEvent, StudyFolder
from icot_tui.studies.plan import title_of
from icot_tui.watch.runs import AT_WORK, RunLine, RunList

OVER = ("finished", "failed")
TO_COME = "to come"


class TrialList:
    """The trials of a study, a line each, in its order; cheap to read repeatedly."""

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder
        self.name = folder.path.name
        self._runs = RunList(folder.runs)
        self._index = RunIndex(folder.runs)

    def read(self, now: float, seconds: float = math.inf) -> list[RunLine]:
        """Every trial; one without a run has a folder that does not exist."""
        known = {line.name: line for line in self._runs.read(now, seconds)}
        runs = self._index.by_digest()
        last = {event.trial: event for event in self.folder.events()}
        return [
            self._line(trial, last.get(trial["name"]), runs.get(trial["digest"], []), known)
            for trial in self.folder.read_plan().get("trials", [])
        ]

    def _line(
        self,
        trial: dict[str, Any],
        last: StudyEvent | None,
        runs: list[RunFolder],
        known: dict[str, RunLine],
    ) -> RunLine:
        title = title_of(trial["labels"].values(), trial["seed"])
        reason = "" if last is None else last.reason
        lines = [known[run.name] for run in runs if run.name in known]
        line = _chosen(lines, last)
        if line is None:
            status = TO_COME if last is None or last.state != "failed" else "failed"
            folder = RunFolder(self.folder.trials / trial["name"])
            return RunLine(folder=folder, name=title, status=status, description=reason)
        failed = last is not None and last.state == "failed" and line.status not in AT_WORK
        status = "failed" if failed else line.status
        return replace(line, name=title, status=status, description=reason)


def _chosen(lines: Sequence[RunLine], last: StudyEvent | None) -> RunLine | None:
    """The run that the study uses, or else one at work, or else the newest."""
    taken = [line for line in lines if last is not None and line.name == last.run]
    working = [line for line in lines if line.status in AT_WORK]
    return next(iter((*taken, *working, *lines)), None)


def in_words(lines: Sequence[RunLine]) -> str:
    """How far a study is: `3 of 15 trials over, 2 at work`."""
    over = sum(line.status in OVER for line in lines)
    parts = [f"{over} of {len(lines)} trials over"]
    for what, statuses in (("at work", AT_WORK), ("failed", ("failed",))):
        if count := sum(line.status in statuses for line in lines):
            parts.append(f"{count} {what}")
    return ", ".join(parts)


def find_study_folder(runs: Path, name: str) -> StudyFolder | None:
    """A study's folder by its name, its path, or its name without the scale (then the newest)."""
    for path in (Path(os.path.abspath(one)) for one in (runs / STUDIES / name, name)):
        if path.parent.name == STUDIES and (path / "plan.json").is_file():
            return StudyFolder(path.parent.parent, path.name)
    studies = (StudyFolder(runs, path.parent.name) for path in (runs / STUDIES).glob("*/plan.json"))
    found = [study for study in studies if study.read_plan().get("study") == name]
    return max(found, key=lambda study: study.plan.stat().st_mtime, default=None)
