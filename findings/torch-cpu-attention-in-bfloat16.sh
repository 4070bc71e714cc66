#!/usr/bin/env bash
# Guess:   on a processor that multiplies in bfloat16 (AVX512-BF16), a training step under autocast takes less time than
#          in float32, and PyTorch's fused attention is the fastest part of it.
# Happens: matrix products take a third, but the fused attention's backward pass is no faster than in float32, and at the
#          lengths of short reasoning tasks several times as slow, so that whole steps of small models gain nothing or
#          lose. The same attention out of plain products (bmm, softmax, bmm) takes a third to a seventh of its time.
# For us:  models/attention.py: in bfloat16 on a CPU models train with plain products; benchmarks/precision.py.
set -euo pipefail
if ! grep -qw avx512_bf16 /proc/cpuinfo; then
    echo "not looked at: this processor does not multiply in bfloat16"
    exit
fi
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
"$work/venv/bin/python" - <<'PY'
import statistics
import time

import torch
from torch.nn.functional import scaled_dot_product_attention

torch.set_num_threads(1)
ROWS, HEADS, WIDTH = 64, 4, 32


def fused(q, k, v):
    return scaled_dot_product_attention(q, k, v, is_causal=True)


def plain(q, k, v):
    length = q.shape[-2]
    later = torch.full((length, length), float("-inf"), dtype=q.dtype).triu(1)
    scores = q @ k.transpose(-2, -1) * WIDTH**-0.5 + later
    return scores.softmax(-1) @ v


def seconds(attention, precision, length):
    """Processor time of a forward and a backward pass."""
    parts = [torch.randn(ROWS, HEADS, length, WIDTH, dtype=precision, requires_grad=True) for _ in range(3)]
    began = time.process_time()
    attention(*parts).sum().backward()
    return time.process_time() - began


ways = [(fused, torch.float32), (fused, torch.bfloat16), (plain, torch.bfloat16)]
print("torch", torch.__version__)
for length in (20, 41):
    rounds = [[seconds(*way, length) for way in ways] for _ in range(33)][3:]
    exact, half, products = (statistics.median(column) * 1e3 for column in zip(*rounds))
    print(
        f"{length} columns: fused {exact:.1f} ms in float32, {half:.1f} ms in bfloat16; "
        f"plain products {products:.1f} ms in bfloat16"
    )
    assert half > 1.5 * exact and half > 2 * products, (exact, half, products)
PY
