#!/usr/bin/env bash
# Guess:   on a CPU argmax of logits in bfloat16 reads half as much memory as in float32, and is no slower; max(dim),
#          which gives the values besides, takes at least as long as argmax.
# Happens: argmax in bfloat16 takes several times as long as in float32, and as max(dim) of the same tensor, whose
#          indices are the same, first of several equal ones included. amax is faster than both by far.
# For us:  evaluating a model with weights in bfloat16 and GPT-2's 50,257 words spent more time in argmax than in the
#          head: models/supervised.py takes the indices of max instead.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
"$work/venv/bin/python" - <<'PY'
import statistics
import time

import torch

torch.set_num_threads(1)
logits = torch.randn(128, 50_257, generator=torch.Generator().manual_seed(0))

def milliseconds(call):
    taken = []
    for _ in range(9):
        began = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - began))
    return statistics.median(taken[2:])

print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}: processor time for 128 rows of 50,257")
found = {}
for dtype in (torch.float32, torch.bfloat16):
    x = logits.to(dtype)
    ways = {"argmax": lambda: x.argmax(-1), "max": lambda: x.max(-1), "amax": lambda: x.amax(-1)}
    found[dtype] = {name: milliseconds(way) for name, way in ways.items()}
    print(f"  {str(dtype):15}", "  ".join(f"{name} {ms:6.2f} ms" for name, ms in found[dtype].items()))
    assert torch.equal(x.argmax(-1), x.max(-1).indices)  # in bfloat16 many are equal
halves = found[torch.bfloat16]
assert halves["argmax"] > 2 * found[torch.float32]["argmax"], found
assert halves["argmax"] > 2 * halves["max"], found
PY
