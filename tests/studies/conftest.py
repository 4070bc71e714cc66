"""Studies in a folder of the test's own, whose processes end with it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from icot_tui.engine.run_folder import RunFolder
from tests.studies.processes import Studies


@pytest.fixture
def studies(tmp_path: Path) -> Iterator[Studies]:
    studies = Studies(tmp_path)
    yield studies
    for process in studies.started:
        process.kill()
        process.wait()
    for run in RunFolder.all(studies.runs):
        if run.is_locked():
            os.kill(json.loads((run.path / "lock").read_text())["pid"], signal.SIGKILL)
