#!/usr/bin/env bash
# Guess:   target_modules puts adapters on the modules whose names end with one of those given, or match the pattern; and
#          "all-linear" on all linear layers but the head, and on nothing else.
# Happens: in DeepSeek's kind and others with experts, under transformers 5, names that end with gate_proj, up_proj or
#          down_proj become the routed experts' stacked weights, whatever stands before them. Those of the shared experts,
#          by list or by pattern, or those of the first, dense layer alone give adapters on the experts of other layers,
#          and none on what was named. "all-linear" gives the experts and their router adapters, but not the shared
#          experts and dense layers. In Qwen2-MoE it is the other way round. No warning says so in any of these cases.
# For us:  model.lora.targets; models/adapters.py looks at what has adapters, and warns of what was named and has none.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import warnings
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

SIZES = dict(
    vocab_size=64, hidden_size=32, intermediate_size=48, moe_intermediate_size=32, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=4, num_experts_per_tok=2,
)
KINDS = {
    "deepseek_v3": dict(
        n_routed_experts=4, n_group=1, topk_group=1, first_k_dense_replace=1, q_lora_rank=16, kv_lora_rank=16,
        qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8,
    ),
    "qwen2_moe": dict(num_experts=4, shared_expert_intermediate_size=32),
}

def adapted(kind, targets):
    """Names of the modules in feed-forward layers that get adapters, and warnings that tell of modules."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES, **KINDS[kind]))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=targets))
    names = {name.split(".lora_")[0].split("layers.")[1].removesuffix(".base_layer")
             for name, _ in model.named_parameters() if "lora_" in name and ".mlp." in name}
    about = [str(one.message) for one in told if any(w in str(one.message) for w in ("shared", "experts", "mlp."))]
    return sorted(names), about

found = {}
for kind, targets in (
    ("deepseek_v3", r".*\.shared_experts\.(gate|up|down)_proj"),
    ("deepseek_v3", ["shared_experts.gate_proj", "shared_experts.up_proj", "shared_experts.down_proj"]),
    ("deepseek_v3", ["model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj"]),
    ("deepseek_v3", "all-linear"),
    ("qwen2_moe", "all-linear"),
):
    names, about = adapted(kind, targets)
    print(f"{kind}, target_modules={targets}: {names}")
    assert not about, about
    found[kind, str(targets)] = names
*named, linear, other = found.values()
assert named == [["1.mlp.experts"]] * 3, "changed"
assert linear == ["1.mlp.experts", "1.mlp.gate"], "changed"
shared = ["down_proj", "gate_proj", "up_proj"]
assert other == sorted(
    f"{layer}.mlp.{name}" for layer in (0, 1) for name in (*(f"shared_expert.{one}" for one in shared), "shared_expert_gate")
), "changed"
print("peft 0.21.2, transformers 5.23.0: as told")
PY
