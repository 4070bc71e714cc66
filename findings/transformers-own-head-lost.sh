#!/usr/bin/env bash
# Guess:   resize_token_embeddings with one word more leaves the logits of the old words as they were; and a model
#          whose config has tie_word_embeddings has one matrix for embedding and head.
# Happens: where a folder's file holds a head of its own though its config says that the two are tied, from_pretrained
#          keeps them apart (with a warning) and leaves the config as it is. resize_token_embeddings goes by the config:
#          it ties them, and the head is gone without another word. save_pretrained hands the same config on, too.
# For us:  models/vocabulary.py corrects the config as a model is loaded; before, data.separator = "own" lost such a head
#          (training went on from another model), and an export to GGUF was refused for wrong answers.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - "$work/model" <<'PY'
import json
import sys
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
folder = Path(sys.argv[1])
torch.manual_seed(0)
sizes = dict(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
LlamaForCausalLM(LlamaConfig(**sizes, tie_word_embeddings=False)).save_pretrained(folder)
config = json.loads((folder / "config.json").read_text())
(folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))

ids = torch.tensor([[5, 7, 9, 11]])
found = {}
for change in (False, True):
    model = AutoModelForCausalLM.from_pretrained(folder)
    said = model.config.tie_word_embeddings
    model.config.tie_word_embeddings = said and not change
    with torch.no_grad():
        before = model(ids).logits
        apart = model.lm_head.weight is not model.model.embed_tokens.weight
        model.resize_token_embeddings(51, mean_resizing=False)
        kept = torch.allclose(model(ids).logits[..., :50], before)
    found["config corrected" if change else "as loaded"] = {"said tied": said, "apart": apart, "logits kept": kept}
print("transformers 5.23.0:", found)
assert found == {
    "as loaded": {"said tied": True, "apart": True, "logits kept": False},
    "config corrected": {"said tied": True, "apart": True, "logits kept": True},
}, found
PY
