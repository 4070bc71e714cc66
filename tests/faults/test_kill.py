"""kill -9 at random moments: the run always ends with the same weights, and the same journal."""

import os
from pathlib import Path
from subprocess import PIPE

import pytest

from icot_tui.engine.run_folder import RunFolder
from tests.faults import kill_often
from tests.forked import ROOT, ForkedProcess
from tests.tiny import assert_same, final_tensors, news

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("ICOT_TUI_TEST_KILLS", "50"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_random_moments(tmp_path):
    process = ForkedProcess(
        [str(tmp_path), str(KILLS), "0"],
        ROOT,
        os.environ | {"OMP_NUM_THREADS": "1"},
        kill_often.main,
        stdout=PIPE,
        stderr=PIPE,
    )
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = output.splitlines()
    assert int(lines[-1].split()[-1]) >= KILLS
    undisturbed = RunFolder(tmp_path / "tiny")
    for line in lines:
        folder = RunFolder(Path(line.rsplit(" ", 1)[0]))
        assert_same(final_tensors(folder), final_tensors(undisturbed))
        assert news(folder, ("Warned",)) == news(undisturbed, ("Warned",))
        assert not list(folder.checkpoints.glob(".*"))
