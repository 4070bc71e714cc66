import subprocess
import sys
from pathlib import Path

import pytest

import icot_tui.watch

HEAVY = ("torch", "transformers", "textual", "plotext", "psutil", "pynvml")


@pytest.mark.slow
def test_watching_a_run_loads_nothing_heavy() -> None:
    """A viewer must be there at once, and leave the memory to the training."""
    folder = Path(icot_tui.watch.__file__).parent
    names = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    code = "; ".join(
        [f"import icot_tui.watch.{name}" for name in sorted(names)]
        + [f"import sys; print([name for name in {HEAVY} if name in sys.modules])"]
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
