#!/usr/bin/env bash
# Guess:   torch.utils.flop_counter counts a mixture of experts as it does a dense model: each token's products with the
#          experts that it chose; and the count doesn't depend on how transformers computes them.
# Happens: transformers 5 computes experts with grouped_mm unless told otherwise, and PyTorch has no formula for its
#          operator: all products of the experts, most of such a model's work, count as nothing, forward and backward,
#          without a warning. With experts_implementation "eager" and "batched_mm" all are counted.
# For us:  engine/loop/compute.py gives the counter a formula; before, `flops` of 25 families in docs/families.md was too low.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import warnings
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import MixtralConfig, MixtralForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
WIDE, INNER, CHOSEN, TOKENS = 32, 64, 2, 2 * 16
config = MixtralConfig(
    vocab_size=50, hidden_size=WIDE, intermediate_size=INNER, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=CHOSEN,
)
torch.manual_seed(0)
model = MixtralForCausalLM(config)
default = model.config._experts_implementation
ids = torch.randint(50, (2, 16))

def counted(kind):
    model.set_experts_implementation(kind)
    with FlopCounterMode(display=False) as counter:
        logits = model(ids).logits
        logits.sum().backward()
    return counter.get_total_flops(), logits.detach()

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = {kind: counted(kind) for kind in (default, "eager", "batched_mm")}
assert all(torch.allclose(logits, found["eager"][1], atol=1e-5) for _, logits in found.values())
counts = {kind: count for kind, (count, _) in found.items()}
experts = 3 * 2 * TOKENS * CHOSEN * 3 * WIDE * INNER  # forward and backward; gate, up and down
about = [str(one.message) for one in told if "flop" in str(one.message).lower()]
print("torch 2.13.0, transformers 5.23.0:", counts, "of which experts:", experts, "warnings:", about)
assert default == "grouped_mm" and counts["eager"] == counts["batched_mm"] and not about, (default, counts)
assert counts["eager"] - counts["grouped_mm"] == experts, counts
PY
