#!/usr/bin/env bash
# Guess:   rows padded on the left go on with Mamba's cache as those of other families do: with the attention mask of
#          all columns so far. Mamba 2 does.
# Happens: MambaForCausalLM multiplies the new token [B, 1, H] by the mask [B, columns, 1], which gives `columns` tokens:
#          each is read that many times over, without a word, and the logits are those of another text. Without a mask,
#          after the first pass, they are right. (generate() leaves it out.)
# For us:  models/next_logits.py leaves out the mask once there is a state; models/behaviour.py would have noticed.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import torch
from transformers import Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM

torch.manual_seed(0)
sizes = dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, state_size=8)
models = {
    "mamba": MambaForCausalLM(MambaConfig(**sizes)).eval(),
    "mamba2": Mamba2ForCausalLM(Mamba2Config(**sizes, num_heads=8, head_dim=8, n_groups=1)).eval(),
}
prompt, new = torch.tensor([[0, 0, 5, 7, 9]]), torch.tensor([[11]])  # two columns of padding
seen = torch.tensor([[0, 0, 1, 1, 1, 1]])
found = {}
with torch.no_grad():
    for name, model in models.items():
        whole = model(torch.tensor([[5, 7, 9, 11]])).logits[0, -1]
        for mask in (seen, None):
            cache = model(prompt, attention_mask=seen[:, :-1], use_cache=True).cache_params
            step = model(new, attention_mask=mask, cache_params=cache, use_cache=True).logits[0, -1]
            off = float((step - whole).abs().max() / whole.std())
            found[name, "mask" if mask is not None else "no mask"] = off < 1e-4
print("transformers 5.23.0, equal to the whole row:", found)
assert found == {
    ("mamba", "mask"): False, ("mamba", "no mask"): True,
    ("mamba2", "mask"): True, ("mamba2", "no mask"): True,
}, found
PY
