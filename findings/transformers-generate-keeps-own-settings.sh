#!/usr/bin/env bash
# Guess:   model.generate(generation_config=GenerationConfig(do_sample=False, num_beams=1, repetition_penalty=1.0, ...))
#          is plain greedy decoding: the config that is given takes the place of the one that came with the model.
# Happens: the two are merged. Whatever the given one leaves open, which is everything that is not named, is taken from
#          the model's generation_config.json: words that may not repeat, forbidden or favoured words, a limit of time.
#          A None in the given config counts as left open. Only another generation_config on the model ends it.
# For us:  the prompted baseline (method.name = "prompted") could not write a number twice where a model came with
#          no_repeat_ngram_size; methods/prompted/local.py leaves a model nothing of its own settings but its ends.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0
"$work/venv/bin/python" - "$work/model" <<'PY'
import sys
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
folder, ids = sys.argv[1], torch.tensor([[3, 4, 5]])
torch.manual_seed(0)
sizes = dict(vocab_size=20, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
LlamaForCausalLM(LlamaConfig(**sizes, initializer_range=0.5)).save_pretrained(folder)

def greedy(model):
    """By arg-max alone, and by generate."""
    rows = ids
    with torch.no_grad():
        for _ in range(12):
            rows = torch.cat([rows, model(rows).logits[:, -1:].argmax(-1)], dim=1)
    plain = dict(do_sample=False, num_beams=1, repetition_penalty=1.0, no_repeat_ngram_size=None, max_new_tokens=12)
    given = GenerationConfig(**plain, pad_token_id=0, eos_token_id=[19])
    return rows[0, 3:].tolist(), model.generate(ids, generation_config=given)[0, 3:].tolist()

expected, written = greedy(AutoModelForCausalLM.from_pretrained(folder).eval())
print("transformers 5.23.0, arg-max:", expected)
assert written == expected and 19 not in expected and len(set(expected)) < 12
own = {
    "no_repeat_ngram_size": 1, "suppress_tokens": expected[:1], "sequence_bias": [[expected[:1], -50.0]],
    "max_time": 0.0, "repetition_penalty": 9.0,
}
changed = set()
for name, value in own.items():
    GenerationConfig(**{name: value}).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    written = greedy(model)[1]
    changed |= {name} if written != expected else set()
    print(f"  generate, {name} = {value} in the folder: {written}")
    model.generation_config = GenerationConfig()
    assert greedy(model)[1] == expected
assert changed == own.keys() - {"repetition_penalty"}, changed
PY
