"""All runs of a folder in a line each, cheap to ask for again and again."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from icot_tui.config import RunConfig
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary, Status
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.bulk_reader import fold, read
from icot_tui.watch.source import run_config

WHOLE_BYTES = 2 << 20
"""A journal up to this size is read from its start."""
TAIL_BYTES = 256 << 10
"""Of a larger one, its first line and so much of its end are read at first."""
HEAD_BYTES = 64 << 10
"""The first lines lie within."""
EVALUATION_BYTES = 4 << 20
"""The last evaluation is looked for in so much of its end."""


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """A run in a line.

    Attributes:
        folder: where it is.
        name: of the folder.
        status: what it does; "damaged" when its config can't be read.
        stage, of: tokens removed, of the longest chain of thought's; None while not known.
        accuracy: exact match of the last evaluation; None before any.
        step: optimizer steps.
        age: seconds since the run began; None before.
        method, description: from the run and from its config; empty while not known.
    """

    folder: RunFolder
    name: str
    status: Status | str
    stage: int = 0
    of: int | None = None
    accuracy: float | None = None
    step: int = 0
    age: float | None = None
    method: str = ""
    description: str = ""


class RunList:
    """The runs of a folder; what was read of a journal is kept, and later only its news read."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._known: dict[Path, _Known] = {}

    def read(self, now: float) -> list[RunLine]:
        """Every run, the newest first."""
        folders = RunFolder.all_even_damaged(self._runs)
        self._known = {
            folder.path: self._known.get(folder.path) or _Known(folder) for folder in folders
        }
        return [known.line(now) for known in self._known.values()]


class _Known:
    """What is known of one run."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._begin()

    def line(self, now: float) -> RunLine:
        if not self._journal.look() or self._config_written != _written(self._folder.config):
            self._begin()
            self._journal.look()
        self._read()
        summary, metrics, config = self._summary, self._summary.metrics, self._config
        status: Status | str = "damaged"
        method = description = ""
        if config is not None:
            status = summary.status(self._folder.is_locked(), now)
            method, description = config.method.name, config.description
        if summary.facts is not None:
            method = summary.facts.method
        return RunLine(
            folder=self._folder,
            name=self._folder.name,
            status=status,
            stage=summary.removed,
            of=summary.greatest_stage,
            accuracy=None if metrics.evaluation is None else metrics.evaluation.exact_match,
            step=metrics.step,
            age=None if summary.started is None else max(0.0, now - summary.started),
            method=method,
            description=description,
        )

    def _begin(self) -> None:
        self._config_written = _written(self._folder.config)
        self._config: RunConfig | None = run_config(self._folder)
        self._summary = RunSummary(self._config)
        self._journal = JournalReader(self._folder.journal)

    def _read(self) -> None:
        """Take in the news; of a long journal that was never read, its head and its tail."""
        journal = self._journal
        if journal.size - journal.offset > WHOLE_BYTES:
            if journal.offset == 0:
                for text in journal.parts(HEAD_BYTES):
                    fold(self._summary, read(text))
                self._summary.last_event_time = None  # what follows is no silence
            journal.skip_to(_place_of_evaluation(journal))
        for text in journal.parts():
            fold(self._summary, read(text))


def _written(path: Path) -> float | None:
    """When a file was last written; None for one that is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _place_of_evaluation(journal: JournalReader) -> int:
    """A place before the last evaluation, or else before the last lines."""
    begin = max(0, journal.size - EVALUATION_BYTES)
    try:
        with open(journal.path, "rb") as file:
            file.seek(begin)
            end = file.read(EVALUATION_BYTES)
    except OSError:
        end = b""
    found = end.rfind(b'"event":"Evaluated"')
    line = end.rfind(b"\n", 0, max(0, found))
    last = journal.size - TAIL_BYTES
    return min(last, begin + line) if found >= 0 and line >= 0 else last


def name_filter(text: str) -> Callable[[str], bool]:
    """Whether a name fits what the user typed: a part of it, or a regular expression.

    Capital letters do not matter. What is no regular expression is only looked for as it is.
    """
    wanted = text.strip().casefold()
    try:
        pattern = re.compile(text.strip(), re.IGNORECASE)
    except (re.error, RecursionError, OverflowError):
        return lambda name: wanted in name.casefold()
    return lambda name: wanted in name.casefold() or pattern.search(name) is not None
