#!/usr/bin/env bash
# Guess:   a training on a CPU whose batches have other lengths takes the memory of its largest batch, in bfloat16 half of
#          that in float32; oneDNN's cache of primitives has a documented bound, ONEDNN_PRIMITIVE_CACHE_CAPACITY.
# Happens: in bfloat16 each number of rows that a linear layer has seen keeps one to four MB: 300 of them some 400 MB,
#          where float32 keeps nothing. Bounding oneDNN's cache changes little, since PyTorch has a second one in front
#          of it (LRU_CACHE_CAPACITY, of as many entries); only bounding both does, and it costs no time.
# For us:  cli/app.py bounds both; a test multiplies 300 numbers of rows.
set -euo pipefail
if ! grep -qw avx512_bf16 /proc/cpuinfo; then
    echo "not looked at: this processor does not multiply in bfloat16"
    exit
fi
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
cat > "$work/rows.py" <<'PY'
import sys

import torch


def resident():
    """Memory in MB."""
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20


torch.set_num_threads(1)
layer = torch.nn.Linear(256, 512)


def train(rows):
    with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[1] == "bfloat16"):
        layer(torch.zeros(rows, 256)).sum().backward()


for repeated in range(300):
    train(400)
before = resident()
for rows in range(100, 400):
    train(rows)
print(resident() - before)
PY
grown() { env -u LRU_CACHE_CAPACITY -u ONEDNN_PRIMITIVE_CACHE_CAPACITY "${@:2}" "$work/venv/bin/python" "$work/rows.py" "$1"; }
exact=$(grown float32 A=1)
free=$(grown bfloat16 A=1)
one=$(grown bfloat16 ONEDNN_PRIMITIVE_CACHE_CAPACITY=64)
other=$(grown bfloat16 LRU_CACHE_CAPACITY=64)
both=$(grown bfloat16 ONEDNN_PRIMITIVE_CACHE_CAPACITY=64 LRU_CACHE_CAPACITY=64)
echo "torch 2.13.0, 300 numbers of rows after 300 times the same: $exact MB more in float32, $free MB in bfloat16;"
echo "with a bound of 64 on oneDNN's cache $one MB, on PyTorch's $other MB, on both $both MB"
[ "$exact" -lt 40 ]
[ "$free" -gt 200 ]
[ "$one" -gt $((2 * both)) ]
[ "$other" -gt $((2 * both)) ]
[ "$both" -lt 120 ]
