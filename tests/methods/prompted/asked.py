"""Runs that ask a prompted model, carried out in this process."""

from pathlib import Path
from typing import Any

import pytest

from icot_tui.config import RunConfig, check_run
from icot_tui.engine.journal.events import (
    Event,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from icot_tui.runs.session import run_training
from tests.methods.prompted.endpoint import Endpoint
from tests.studies.small import BASE

Output = pytest.CaptureFixture[str]


def config(**prompted: Any) -> RunConfig:
    raw = BASE | {"name": "asked", "method": {"name": "prompted"}, "prompted": prompted}
    return check_run(raw)


def asking(served: Endpoint, **prompted: Any) -> RunConfig:
    plain = {"model": "calculator", "endpoint": served.url, "shots": 2, "batch_size": 2}
    return config(**(plain | prompted))


def ask(what: RunConfig | RunFolder) -> tuple[RunFolder, list[Event]]:
    """A new run, or one to go on with, carried out in this process: its folder and its news."""
    folder = what if isinstance(what, RunFolder) else create_run(what, Path("runs"))
    news: list[Event] = []
    run_training(folder, CommandQueue(folder.control), news.append)
    journaled = [event for _, event in JournalReader(folder.journal).events()]
    assert list(map(type, journaled))[-len(news) :] == list(map(type, news))
    return folder, news


def last(news: list[Event], kind: type[Any]) -> Any:
    return [event for event in news if isinstance(event, kind)][-1]
