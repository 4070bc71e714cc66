#!/usr/bin/env bash
# Guess:   logsumexp gives one number a row, softmax writes a number for each: on a CPU logsumexp is the faster one,
#          and the memory that it needs is small.
# Happens: logsumexp takes longer than softmax, and makes a tensor as large as its input besides. The largest logit and
#          the largest probability give the same number: log of the sum = largest - log(its probability), which cannot
#          underflow, since that is at least 1 / words.
# For us:  a loss over GPT-2's vocabulary needs both; models/supervised.py takes the logarithm from the softmax.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
"$work/venv/bin/python" - <<'PY'
import statistics
import time

import torch
from torch.profiler import profile

torch.set_num_threads(1)
logits = 3 * torch.randn(80, 50_257, generator=torch.Generator().manual_seed(0))

def milliseconds(call):
    taken = []
    for _ in range(11):
        began = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - began))
    return statistics.median(taken[3:])

def by_softmax():
    return logits.amax(1) - torch.softmax(logits, 1).amax(1).log()

found = {
    "logsumexp": milliseconds(lambda: logits.logsumexp(1)),
    "softmax": milliseconds(lambda: torch.softmax(logits, 1)),
    "softmax and the same number": milliseconds(by_softmax),
}
with profile(profile_memory=True) as seen:
    logits.logsumexp(1)
largest = max(event.self_cpu_memory_usage for event in seen.events()) / (4 * logits.numel())
print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}: processor time for 80 rows of 50,257")
for name, ms in found.items():
    print(f"  {name:28} {ms:5.2f} ms")
print(f"  the largest tensor that logsumexp makes: {largest:.2f} of its input")
assert torch.allclose(by_softmax(), logits.logsumexp(1), rtol=1e-6)
assert found["logsumexp"] > 1.2 * found["softmax"], found
assert largest > 0.9, largest
PY
