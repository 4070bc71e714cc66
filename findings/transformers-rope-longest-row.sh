#!/usr/bin/env bash
# Guess:   what a causal model in evaluation mode says after a token depends on the tokens up to it: on no later one, on no
#          other row of the batch, and on nothing that it read before.
# Happens: two kinds of rotary positions look at the longest row of a batch. With "longrope" (Phi-3 and its kin with long
#          contexts) a row of more than original_max_position_embeddings tokens changes the logits of all rows, from the
#          first token on. With "dynamic" one of more than max_position_embeddings does, and the model remembers it: a row
#          that was read before gets other logits after. A cache that grows beyond either end gives other logits than the
#          whole row, too.
# For us:  models/positions.py takes both numbers for a model's last position: longer rows are refused.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
END = 16
ROPES = {
    "default": {},
    "longrope": {
        "original_max_position_embeddings": END, "short_factor": [1.0] * 4, "long_factor": [1.0, 2.0, 3.0, 4.0],
    },
    "dynamic": {"factor": 2.0},
}
sizes = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
found = {}
for kind, more in ROPES.items():
    torch.manual_seed(0)
    table = 4 * END if kind == "longrope" else END
    rope = {"rope_type": kind, "rope_theta": 1e4} | more
    config = LlamaConfig(**sizes, max_position_embeddings=table, rope_parameters=rope, initializer_range=0.3)
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(50, (1, 60))
    with torch.no_grad():
        short, middle = model(ids[:, :10]).logits, model(ids[:, :20]).logits
        whole = model(ids).logits
        again = model(ids[:, :20]).logits
        step = model(ids[:, :END], use_cache=True)
        for column in range(END, 20):
            step = model(ids[:, column : column + 1], past_key_values=step.past_key_values, use_cache=True)
    same = lambda one, other: torch.allclose(one, other, atol=1e-3)
    found[kind] = {
        "no later token": same(short, whole[:, :10]),
        "nothing before": same(middle, again),
        "cache": same(middle[:, -1], step.logits[:, -1]),
    }
print("transformers 5.23.0, logits depend on ... / are those of the whole row:", *found.items(), sep="\n  ")
assert found == {
    "default": {"no later token": True, "nothing before": True, "cache": True},
    "longrope": {"no later token": False, "nothing before": True, "cache": False},
    "dynamic": {"no later token": False, "nothing before": False, "cache": False},
}, found
PY
