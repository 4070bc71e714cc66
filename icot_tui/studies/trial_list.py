"""A study as it stands, read from its files: for views from elsewhere, live, dead or finished."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from icot_tui.engine.run_folder import RunFolder
from icot_tui.studies.existing_runs import RunIndex
from icot_tui.studies.folder import STUDIES, StudyEvent, StudyFolder
from icot_tui.watch.runs import RunLine, RunList

AT_WORK = ("starting", "training", "paused", "stalled")
"""What a run does whose trainer is there."""
OVER = ("finished", "failed")
TO_COME = "to come"


class TrialList:
    """The trials of a study, a line each, in its order; cheap to ask for again and again.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder
        self._runs = RunList(folder.runs)
        self._index = RunIndex(folder.runs)

    @property
    def name(self) -> str:
        """Of the study's folder."""
        return self.folder.path.name

    def read(self, now: float) -> list[RunLine]:
        """Every trial; one without a run has a folder that is not there."""
        known = {line.name: line for line in self._runs.read(now)}
        runs = self._index.by_digest()
        last = {happening.trial: happening for happening in self.folder.happenings()}
        return [
            self._line(trial, last.get(trial["name"]), runs.get(trial["digest"], []), known)
            for trial in read_plan(self.folder.path)
        ]

    def _line(
        self,
        trial: dict[str, Any],
        last: StudyEvent | None,
        runs: list[RunFolder],
        known: dict[str, RunLine],
    ) -> RunLine:
        title = ", ".join([*trial["labels"].values(), f"seed {trial['seed']}"])
        reason = "" if last is None else last.reason
        lines = [known[run.name] for run in runs if run.name in known]
        line = _chosen(lines, last)
        if line is None:
            status = TO_COME if last is None or last.state != "failed" else "failed"
            folder = RunFolder(self.folder.trials / trial["name"])
            return RunLine(
                folder=folder,
                name=title,
                status=status,
                stage=0,
                of=None,
                accuracy=None,
                best=None,
                step=0,
                age=None,
                silence=None,
                method="",
                description=reason,
            )
        failed = last is not None and last.state == "failed" and line.status not in AT_WORK
        status = "failed" if failed else line.status
        return replace(line, name=title, status=status, description=reason)


def _chosen(lines: Sequence[RunLine], last: StudyEvent | None) -> RunLine | None:
    """The run that the study took, or else one at work, or else the newest."""
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
    found = [path for path in (runs / STUDIES).glob("*/plan.json") if study_of(path.parent) == name]
    if not found:
        return None
    newest = max(found, key=lambda path: path.stat().st_mtime)
    return StudyFolder(runs, newest.parent.name)


def study_of(folder: Path) -> str | None:
    """The name of the study whose folder this is."""
    name = _content(folder).get("study")
    return name if isinstance(name, str) else None


def read_plan(folder: Path) -> list[dict[str, Any]]:
    """The trials that a study's folder was made for; none while that can't be read."""
    trials = _content(folder).get("trials", [])
    return list(trials)


def _content(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "plan.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
