#!/usr/bin/env bash
# Guess:   two words with the same row in a model's head have the same logit, and arg-max takes the lower id: a token
#          copied from another is chosen only where the other one is forbidden.
# Happens: in float32 on a CPU their logits differ in the last bits for many inputs: matrix products sum the columns at
#          the end of a block in another order. Either of the two may be the larger one.
# For us:  exporting/portable.py puts the copy a little behind with sequence_bias of the generation config.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
"$work/venv/bin/python" - <<'PY'
import torch
torch.manual_seed(0)
found = {}
for words in (10, 34, 50_258):
    head = torch.nn.Linear(16, words, bias=False)
    with torch.no_grad():
        head.weight[-1] = head.weight[3]
        logits = [head(torch.randn(1, 16))[0] for _ in range(300)]
    found[words] = [sum(bool(one[-1] > one[3]) for one in logits), sum(bool(one[-1] < one[3]) for one in logits)]
print("torch", torch.__version__, "of 300 inputs (copy larger, copy smaller), by words:", found)
assert any(larger and smaller for larger, smaller in found.values()), found
PY
