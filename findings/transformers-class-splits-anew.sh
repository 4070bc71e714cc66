#!/usr/bin/env bash
# Guess:   a tokenizer that was saved with another pre-tokenizer, say GPT-2's with digits one by one, comes back from its
#          folder so, since tokenizer.json has it; and byte pairs' dropout is a matter of their training.
# Happens: only the post-processor, vocabulary and merges are taken from the file where the class named beside it builds the
#          rest itself, as GPT2Tokenizer does (and those of GPT-NeoX, Qwen2, CodeGen and Cohere): digits are joined again,
#          without a word, by the class and by AutoTokenizer. PreTrainedTokenizerFast takes all of the file, with the
#          dropout: the same text then has other ids each time, where the class leaves the dropout out.
# For us:  whoever taught a tokenizer of GPT-2's class to keep digits apart trained on joined ones. data/tokenizer_reading.py
#          compares both and follows the file; data/tokenizing.py switches dropout off.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3
"$work/venv/bin/python" - "$work/digits" <<'PY'
import json
import sys
from pathlib import Path

import tokenizers
import transformers
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from transformers import AutoTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast

print("transformers", transformers.__version__, "tokenizers", tokenizers.__version__)
folder, text = sys.argv[1], " 1234"
words = ["<|endoftext|>", *"0123456789", "Ġ", "12", "34", "Ġ12", "a", "b", "ab"]
vocabulary = {word: number for number, word in enumerate(words)}
merges = [("1", "2"), ("3", "4"), ("Ġ", "12"), ("a", "b")]
made = GPT2Tokenizer(vocab=vocabulary, merges=merges)
made.backend_tokenizer.pre_tokenizer = Sequence([Digits(True), ByteLevel(add_prefix_space=False)])
made.save_pretrained(folder)
print("saved by", type(made).__name__, made.tokenize(text))
read = {}
for loader in (AutoTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast):
    read[loader.__name__] = loader.from_pretrained(folder).tokenize(text)
print(read)
apart, joined = ["Ġ", "1", "2", "3", "4"], ["Ġ12", "34"]
assert made.tokenize(text) == apart
assert read.pop("TokenizersBackend") == apart  # the name of PreTrainedTokenizerFast
assert set(map(tuple, read.values())) == {tuple(joined)}, "changed"

file = Path(folder, "tokenizer.json")
core = json.loads(file.read_text())
core["model"]["dropout"] = 0.5
file.write_text(json.dumps(core))
kinds = {}
for loader in (GPT2Tokenizer, PreTrainedTokenizerFast):
    tokenizer = loader.from_pretrained(folder)
    kinds[loader.__name__] = len({tuple(tokenizer("ab" * 20)["input_ids"]) for _ in range(20)})
print("with dropout, different ids for one text in 20 tries:", kinds)
assert kinds["GPT2Tokenizer"] == 1 < kinds["TokenizersBackend"], "changed"
PY
