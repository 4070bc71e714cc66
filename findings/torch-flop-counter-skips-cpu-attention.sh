#!/usr/bin/env bash
# Guess:   torch.utils.flop_counter counts attention on a CPU as it does on a GPU, or says that it met an operation which
#          it does not know; and a model's count does not depend on attention dropout.
# Happens: scaled_dot_product_attention on a CPU runs an operator of its own, which has no formula: it counts as nothing,
#          without a warning, forward and backward. With dropout the CPU takes plain matrix products, which are counted.
#          So the same layer counts 0, or all of it, and at long contexts most of a model's work is missing.
# For us:  engine/loop/compute.py gives the counter formulas for the CPU's operators.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
"$work/venv/bin/python" - <<'PY'
import warnings
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

rows, heads, tokens, wide = 2, 4, 64, 16
pairs = rows * heads * tokens**2 * wide

def counted(dropout, backends):
    query, key, value = (torch.randn(rows, heads, tokens, wide, requires_grad=True) for _ in range(3))
    with FlopCounterMode(display=False) as counter, sdpa_kernel(backends):
        scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True).sum().backward()
    return counter.get_total_flops() / (2 * pairs)

every = [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = {"default": counted(0.0, every), "with dropout": counted(0.1, every), "plain": counted(0.0, [SDPBackend.MATH])}
print("torch", torch.__version__, "products counted of 2 forward and 4 or 5 backward:", found, "warnings:", len(told))
assert found == {"default": 0.0, "with dropout": 6.0, "plain": 6.0} and not told, (found, told)
PY
