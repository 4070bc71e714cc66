#!/usr/bin/env bash
# Guess:   two trainings on a machine, each with a thread per core (PyTorch's own choice), take about twice as long as
#          one: they share the cores.
# Happens: each becomes many times as slow. A thread that waits for the others at the end of an operation spins for
#          milliseconds (300,000 rounds in libgomp, unless told otherwise) on the core that the one it waits for needs.
#          Small models have hundreds of operations a step, each some microseconds long. One variable of the
#          environment, GOMP_SPINCOUNT, ends it, and costs little where the machine is idle.
# For us:  icot-tui sets GOMP_SPINCOUNT=3000 (1000 is libgomp's own value where it knows of more threads than cores).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
cat > "$work/train.py" <<'PY'
import sys, time
import torch
from torch import nn
steps = int(sys.argv[1])
layer = lambda: nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
model = nn.Sequential(*(layer() for _ in range(3)))
optimizer, rows = torch.optim.AdamW(model.parameters(), 1e-4), torch.randn(32, 24, 128)
def step():
    optimizer.zero_grad()
    model(rows).square().mean().backward()
    optimizer.step()
for _ in range(5):
    step()
began = time.perf_counter()
for _ in range(steps):
    step()
print((time.perf_counter() - began) / steps * 1000)
PY
"$work/venv/bin/python" - "$work" <<'PY'
import os, statistics, subprocess, sys
work = sys.argv[1]

def milliseconds(count, steps, **environment):
    """A step of the first of so many equal trainings at the same time."""
    keep = {key: value for key, value in os.environ.items() if "OMP_" not in key}
    command = [f"{work}/venv/bin/python", f"{work}/train.py"]
    others = [subprocess.Popen([*command, "1000000"], env={**keep, **environment}) for _ in range(count - 1)]
    try:
        done = subprocess.run([*command, str(steps)], env={**keep, **environment}, capture_output=True, text=True, check=True)
    finally:
        for other in others:
            other.kill()
    return float(done.stdout)

import importlib.metadata
found = {
    "one training": milliseconds(1, 100),
    "one, GOMP_SPINCOUNT=1000": milliseconds(1, 100, GOMP_SPINCOUNT="1000"),
    "one of two": milliseconds(2, 40),
    "one of two, GOMP_SPINCOUNT=1000": milliseconds(2, 60, GOMP_SPINCOUNT="1000"),
}
print(len(os.sched_getaffinity(0)), "cores, ms a step:", {name: round(one, 1) for name, one in found.items()})
*alone, two, told = found.values()
assert two > 3 * min(alone) and two > 3 * told, found
PY
# Seen:    2 cores, torch 2.13.0: alone 35.0 ms a step (29.5 with the variable), one of two 261.5 (63.3 with the variable).
