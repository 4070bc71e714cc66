#!/usr/bin/env bash
# Guess:   AutoTokenizer.from_pretrained gives the tokenizer that was saved in a folder: tokenizer.json, with the class
#          that tokenizer_config.json names.
# Happens: if config.json beside it says model_type qwen2, the saved pre-tokenizer is replaced by Qwen2's own and a
#          token is added: the same text gets other ids, without a word. So it is with the generic class and with
#          one named GPT2Tokenizer. Beside llama or gpt2 the saved tokenizer comes back, as it does beside qwen2 through
#          PreTrainedTokenizerFast, or with a config that names no model.
# For us:  data/tokenizer_reading.py reads a folder of the generic class with that, and asks again without the model's config
#          where another class than the named one comes back.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
"$work/venv/bin/python" - "$work/model" <<'PY'
import json
import sys
from pathlib import Path
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import AutoTokenizer, GPT2Tokenizer, PreTrainedConfig, PreTrainedTokenizerFast

words = ["<end>", *(f" {digit}" for digit in range(10)), *map(str, range(10))]
core = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}))
core.pre_tokenizer = Split(Regex(r" ?\d"), "isolated")
saved = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
folder, text = Path(sys.argv[1]), " 1 2 3"
saved.save_pretrained(folder)
found = {}
for kind in ("llama", "gpt2", "qwen2"):
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    read = AutoTokenizer.from_pretrained(folder)
    found[kind] = type(read).__name__, len(read), read(text)["input_ids"]
generic = PreTrainedTokenizerFast.from_pretrained(folder)
print("transformers 5.23.0:", found)
ids = saved(text)["input_ids"]
assert ids == [2, 3, 4] == generic(text)["input_ids"]
assert found["llama"][2] == found["gpt2"][2] == ids
assert found["qwen2"][0] == "Qwen2Tokenizer" and found["qwen2"][1] == len(saved) + 1
assert found["qwen2"][2] != ids, found
vocabulary = {word: number for number, word in enumerate(["Ġ", "1", "2", "12", "Ġ12", "<|endoftext|>"])}
named = GPT2Tokenizer(vocab=vocabulary, merges=[("1", "2"), ("Ġ", "12")])
named.save_pretrained(folder)
other, same = (AutoTokenizer.from_pretrained(folder, **one) for one in ({}, {"config": PreTrainedConfig()}))
print(*((type(one).__name__, one(" 12")["input_ids"]) for one in (named, other, same)))
assert same(" 12")["input_ids"] == named(" 12")["input_ids"] == [4]
assert other(" 12")["input_ids"] == [0, 1, 2], "changed"
PY
