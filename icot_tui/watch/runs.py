"""All runs of a folder in a line each, cheap to ask for again and again."""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from icot_tui.engine.journal.summary import RunSummary, Status
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.notes import read_notes
from icot_tui.watch.run_reader import RunReader
from icot_tui.watch.summary_cache import SummaryCache

AT_WORK = ("starting", "training", "paused", "stalled")
"""Statuses of a run that has a trainer."""
READING = "reading"
"""The status of a run whose journal is not wholly read yet."""


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """A run in a line.

    Attributes:
        folder: where it is.
        name: of the folder.
        status: what it does; "damaged" when its config or journal can't be read, and `problem`
            says why; `READING` while the rest is not known yet.
        stage, of: tokens removed, of the longest chain of thought's; None while not known.
        accuracy, best: exact match of the last evaluation, and the best; None before any.
        step: optimizer steps.
        age: seconds since the run began; None before.
        method, description: from the run and from its config; empty while not known.
        tags, note: what a person wrote about it.
        config: its config's values by dotted key.
        summary: all that is known, but for earlier evaluations and spikes.
    """

    folder: RunFolder
    name: str
    status: Status | str
    stage: int = 0
    of: int | None = None
    accuracy: float | None = None
    best: float | None = None
    step: int = 0
    age: float | None = None
    method: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    problem: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: RunSummary = field(default_factory=RunSummary)


class RunList:
    """The runs of a folder; of what was read before, here or by another process, only the news."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._known: dict[Path, RunReader] = {}
        self._cache = SummaryCache(runs)
        self._cache.forget_missing()
        self._entries = self._cache.entries()

    def read(self, now: float, seconds: float = math.inf) -> list[RunLine]:
        """Every run, the newest first.

        Journals are read for about so many seconds at most; the rest is for the next calls.
        """
        folders = RunFolder.all_even_damaged(self._runs)
        self._known = {
            folder.path: self._known.get(folder.path) or self._reader(folder) for folder in folders
        }
        for gone in self._entries.keys() - {folder.name for folder in folders}:
            self._cache.forget(gone)
        self._entries = {}
        until = time.monotonic() + seconds
        for reader in self._known.values():
            reader.read(until)
        return [line_of(reader, now) for reader in self._known.values()]

    def _reader(self, folder: RunFolder) -> RunReader:
        return RunReader(folder, self._cache, self._entries.get(folder.name))


def read_run(folder: RunFolder) -> RunReader:
    """All that is known of a run."""
    path = Path(os.path.abspath(folder.path))
    cache = SummaryCache(path.parent)
    folder = folder if folder.name == path.name else RunFolder(path)
    reader = RunReader(folder, cache, cache.entries(path.name).get(path.name))
    reader.read(whole=True)
    reader.summary.config = reader.config
    return reader


def line_of(reader: RunReader, now: float) -> RunLine:
    """What a list shows of a run."""
    folder, facts, summary = reader.folder, reader.facts, reader.summary
    notes = read_notes(folder)
    line = RunLine(
        folder=folder,
        name=folder.name,
        status=READING,
        method=reader.method,
        description=facts.description,
        tags=notes.tags,
        note=notes.note,
        config=facts.values,
    )
    if reader.behind:
        return line
    metrics = summary.metrics
    return replace(
        line,
        status=reader.status(now),
        stage=summary.removed,
        of=summary.greatest_stage,
        accuracy=None if metrics.evaluation is None else metrics.evaluation.exact_match,
        best=metrics.best,
        step=metrics.step,
        age=None if summary.started is None else max(0.0, now - summary.started),
        problem=reader.problem,
        summary=summary,
    )
