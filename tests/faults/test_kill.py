"""kill -9 at random moments: the run always ends with the same weights, and the same journal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from icot_tui.engine.run_folder import RunFolder
from tests.tiny import assert_same, final_tensors, news

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("ICOT_TUI_TEST_KILLS", "50"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_random_moments(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "tests.faults.kill_often", str(tmp_path), str(KILLS), "0"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    *_, last = result.stdout.splitlines()
    assert int(last.split()[-1]) >= KILLS
    undisturbed = RunFolder(tmp_path / "tiny")
    for line in result.stdout.splitlines():
        folder = RunFolder(Path(line.rsplit(" ", 1)[0]))
        assert_same(final_tensors(folder), final_tensors(undisturbed))
        assert news(folder, ("Warned",)) == news(undisturbed, ("Warned",))
        assert not list(folder.checkpoints.glob(".*"))
