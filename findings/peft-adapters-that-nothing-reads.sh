#!/usr/bin/env bash
# Guess:   an adapter that PEFT accepts for a linear layer takes part in the model: it is trained, and merge_and_unload
#          changes no answer but by rounding. PEFT refuses Mamba's out_proj and conv1d, whose weights a fused kernel reads
#          past the adapters, so what it doesn't refuse is called.
# Happens: Mamba's dt_proj is never called either: transformers multiplies by its weight, and that is the base's. The
#          adapters there get no gradient, and whatever they hold changes no logit, until they are merged: then the
#          model is another one. So it is in Mamba, Falcon-Mamba and Jamba, where "all-linear" puts adapters there by itself.
# For us:  model.lora.targets, and folders of adapters that were made elsewhere, which an export merges;
#          models/adapters.py refuses adapters on modules that are never called, and leaves them out of "all-linear".
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
SIZES = dict(vocab_size=64, hidden_size=32, num_hidden_layers=2)
JAMBA = dict(
    intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, num_experts=4, attn_layer_period=2,
    attn_layer_offset=1, mamba_d_state=8, mamba_dt_rank=4, use_mamba_kernels=False,
)
MAMBA = dict(state_size=8, time_step_rank=4)
ids = torch.arange(1, 25).reshape(2, 12)

def tried(kind, sizes, targets):
    """Adapters without a gradient; changes of the logits by those on dt_proj, and by merging all."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES, **sizes))
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=targets)).eval()
    adapters = {name: weight for name, weight in model.named_parameters() if "lora_" in name}
    model(ids).logits.logsumexp(-1).sum().backward()
    idle = {name.split(".lora_")[0].split(".")[-1] for name, weight in adapters.items() if weight.grad is None}
    with torch.no_grad():
        before = model(ids).logits
        for name, weight in adapters.items():
            if "dt_proj" in name:
                weight.normal_(std=4)
        after = model(ids).logits
        merged = model.merge_and_unload()(ids).logits
    return idle, float((after - before).abs().max()), float((merged - after).abs().max())

for kind, sizes, targets in (
    ("mamba", MAMBA, ["in_proj", "x_proj", "dt_proj"]),
    ("falcon_mamba", MAMBA, ["in_proj", "x_proj", "dt_proj"]),
    ("jamba", JAMBA, "all-linear"),
):
    idle, adapting, merging = tried(kind, sizes, targets)
    print(f"{kind}: no gradient in {idle}; logits change by {adapting} with other adapters, by {merging:.2g} when merged")
    assert "dt_proj" in idle and adapting == 0 and merging > 1e-3, "changed"
print("peft 0.21.2, transformers 5.23.0, torch 2.13.0: as told")
PY
