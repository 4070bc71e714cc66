"""What the README promises under "Use it elsewhere": its commands, run as they are written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from icot_tui.analysis.checkpoints import find_checkpoint
from icot_tui.exporting.source import read_source

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_commands_of_the_readme(trained, tmp_path: Path) -> None:
    """On a short run of the demo's name: the harness reports icot-tui's own exact match."""
    section = (ROOT / "README.md").read_text().partition("## Use it elsewhere")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert block.count("icot-tui export") == 2 and "lm_eval" in block
    best = trained("own", True)[8]
    runs = best.parents[2]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ICOT_TUI_RUNS": str(runs),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
    }
    command = ["bash", "-euc", block]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    source = read_source(find_checkpoint("demo@best", runs), None, None)
    (reported,) = re.findall(r"exact_match\s*\|[^|]*\|\s*([\d.]+)", done.stdout)
    assert float(reported) == pytest.approx(source.correct / 200, abs=1e-4)
