#!/usr/bin/env bash
# Guess:   a training pass of GPT-2 without mask and without position ids asks for no value on the CPU, so that a GPU
#          can be given the next step while it works on this one.
# Happens: each forward pass reads one value (aten::_local_scalar_dense): create_causal_mask searches the position ids
#          that the model has just counted from 0 for packed rows. On a GPU that waits for all that is queued. A mask of
#          ones instead is read as well (is anything hidden?).
# For us:  models/packing.py leaves the search out in training steps; tests/engine/test_device_waits.py.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import GPT2Config, GPT2LMHeadModel, masking_utils


class Reads(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


model = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=3, n_head=2, vocab_size=50)).train()
ids = torch.randint(0, 50, (4, 10))


def reads(**options) -> int:
    with Reads() as mode:
        model(ids, use_cache=False, **options).logits.sum().backward()
    return mode.count


found = {"no mask": reads(), "mask of ones": reads(attention_mask=torch.ones_like(ids))}
masking_utils.find_packed_sequence_indices = lambda position_ids: None
found["no mask, no search"] = reads()
print("transformers 5.23.0, torch 2.13.0, values read in a pass:", found)
assert found == {"no mask": 1, "mask of ones": 1, "no mask, no search": 0}, found
PY
