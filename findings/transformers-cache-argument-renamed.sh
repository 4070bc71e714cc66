#!/usr/bin/env bash
# Guess:   the cache is forward's `past_key_values` in all of transformers 5 (and `cache_params` in Mamba), so a program
#          that passes on only what inspect.signature(forward) names, to serve models that lack an argument, keeps it.
# Happens: from 5.24.0 on the argument is `cache` in every family. `past_key_values` still works, with a warning, but the
#          signature no longer names it. A caller that filters by the signature drops the cache without an error, and the
#          logits are those of the newest token alone. The output's field is `cache` too, and answers to the old names;
#          one warning names 5.40.0 as the end of that.
# For us:  models/wrapped.py asks a model what it calls its cache; pause tokens were decoded wrongly with 5.24.0 before.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.24.0 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import inspect
import warnings
import torch
from transformers import GPT2Config, GPT2LMHeadModel, MambaConfig, MambaForCausalLM

torch.manual_seed(0)
gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=50)).eval()
mamba = MambaForCausalLM(MambaConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, state_size=8))
named = {
    model.config.model_type: sorted({"cache", "past_key_values", "cache_params"} & set(inspect.signature(model.forward).parameters))
    for model in (gpt2, mamba)
}
with torch.no_grad(), warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    whole = gpt2(torch.tensor([[5, 7, 9, 11]])).logits[0, -1]

    def last(filtered):
        first = gpt2(torch.tensor([[5, 7, 9]]), use_cache=True)
        more = {"past_key_values": first["past_key_values"], "use_cache": True}
        if filtered:
            more = {name: value for name, value in more.items() if name in inspect.signature(gpt2.forward).parameters}
        return gpt2(torch.tensor([[11]]), **more).logits[0, -1]

    right = {name: torch.allclose(last(name == "filtered"), whole, atol=1e-4) for name in ("as it is", "filtered")}
print("transformers 5.24.0, cache arguments named:", named)
print("logits equal those of the whole row:", right)
print("warnings:", sorted({str(one.message)[:96] for one in told if "past_key_values" in str(one.message)}))
assert named == {"gpt2": ["cache"], "mamba": ["cache"]}, named
assert right == {"as it is": True, "filtered": False}, right
PY
