#!/usr/bin/env bash
# Guess:   under torch.autocast in bfloat16 all matrix products of a model with float32 weights are computed in bfloat16,
#          whichever way of several its layers are computed; a mixture of experts gains most, since they are most of its work.
# Happens: transformers 5 computes experts with grouped_mm unless told otherwise, and autocast does not know that operator:
#          transformers casts what it is given to the type of the weights, and the experts are computed in float32, forward
#          and backward, without a word. With experts_implementation "eager" and "batched_mm" they are in bfloat16. (With
#          weights in bfloat16 all three are.)
# For us:  model.precision = "bfloat16-mixed" trains so; docs/families.md says it. Numbers are no worse for it, but slower.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import warnings
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import MixtralConfig, MixtralForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
PRODUCTS = ("mm", "addmm", "bmm", "_grouped_mm")

class Types(TorchDispatchMode):
    """In which types matrix products are computed."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        out = operator(*args, **(kwargs or {}))
        if (name := operator._opname) in PRODUCTS:
            self.seen.add((name, str(out.dtype).removeprefix("torch.")))
        return out

config = MixtralConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2,
)
torch.manual_seed(0)
model = MixtralForCausalLM(config)
default = model.config._experts_implementation
ids = torch.randint(64, (2, 16))

def types(kind):
    model.set_experts_implementation(kind)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with Types() as found, torch.autocast("cpu", torch.bfloat16):
            model(ids, labels=ids).loss.backward()
    assert not any("autocast" in str(one.message) or "float32" in str(one.message) for one in told)
    return found.seen

print("torch 2.13.0, transformers 5.23.0, weights in float32 under autocast:")
found = {kind: types(kind) for kind in ("grouped_mm", "eager", "batched_mm")}
for kind, seen in found.items():
    print(f"  {kind}: {sorted(seen)}")
model.to(torch.bfloat16)
whole = types(default)
print("  grouped_mm, weights in bfloat16:", sorted(whole))
assert default == "grouped_mm"
assert found["grouped_mm"] == {("mm", "bfloat16"), ("_grouped_mm", "float32")}, "changed"
assert {kind for name in ("eager", "batched_mm") for _, kind in found[name]} == {"bfloat16"}, "changed"
assert {kind for _, kind in whole} == {"bfloat16"}, "changed"
PY
