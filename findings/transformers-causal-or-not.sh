#!/usr/bin/env bash
# Guess:   AutoModelForCausalLM refuses an encoder's folder, or config.is_decoder tells which models see only what
#          stands before.
# Happens: a folder saved as BertForMaskedLM loads as BertLMHeadModel with no missing or unexpected weight, and each
#          position sees the later ones: trained on next tokens it copies them. config.is_decoder is False for it, and
#          is False as well for GPT-NeoX (Pythia), which is causal, and absent from GPT-2's. Only a forward pass tells.
# For us:  models/loading.py changes a token and looks at the logits before it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - "$work" <<'PY'
import sys
import torch
from transformers import (AutoModelForCausalLM, BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel,
                          GPTNeoXConfig, GPTNeoXForCausalLM)

sizes = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, vocab_size=50)
models = {
    "bert": BertForMaskedLM(BertConfig(**sizes)),
    "gpt_neox": GPTNeoXForCausalLM(GPTNeoXConfig(**sizes)),
    "gpt2": GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=50)),
}
found = {}
for name, model in models.items():
    model.save_pretrained(f"{sys.argv[1]}/{name}")
    loaded, report = AutoModelForCausalLM.from_pretrained(f"{sys.argv[1]}/{name}", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]])
    before = loaded(ids).logits[:, :3]
    found[name] = getattr(loaded.config, "is_decoder", None), torch.equal(before[0], before[1])
print("transformers 5.23.0, (is_decoder, causal):", found)
assert found == {"bert": (False, False), "gpt_neox": (False, True), "gpt2": (None, True)}, found
PY
