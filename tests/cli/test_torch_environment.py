"""What PyTorch's libraries are told before they are loaded."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "passive"}, "0")],
)
def test_threads_of_pytorch_sleep_soon_where_nobody_says_how_long(
    given: dict[str, str], spins: str
) -> None:
    torch = Path(find_spec("torch").origin)  # type: ignore[union-attr, arg-type]
    library = next(torch.parent.glob("lib/libgomp*"), None)
    if library is None:
        pytest.skip("this PyTorch has another OpenMP")
    ours = {key: value for key, value in os.environ.items() if "OMP_" not in key}
    load = (
        f"from icot_tui.cli import app; app.set_up_torch(); import ctypes; ctypes.CDLL('{library}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", load],
        env={**ours, **given, "OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


@pytest.mark.slow
def test_memory_does_not_grow_with_the_numbers_of_rows_that_are_multiplied_in_bfloat16() -> None:
    code = """
from icot_tui.cli import app; app.set_up_torch()
import psutil, torch
torch.set_num_threads(1)
layer, memory = torch.nn.Linear(256, 512), psutil.Process().memory_info
def train(rows):
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.zeros(rows, 256)).sum().backward()
train(100)
before = memory().rss
for rows in range(101, 401):
    train(rows)
print((memory().rss - before) >> 20)
"""
    ours = {key: value for key, value in os.environ.items() if "CACHE_CAPACITY" not in key}
    done = subprocess.run(
        [sys.executable, "-c", code], env=ours, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150, done.stdout  # 66 MB on a Zen 4; 415 without bounds
