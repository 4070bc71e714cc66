#!/usr/bin/env bash
# Guess:   a token that is added to a tokenizer gets an id of its own.
# Happens: it gets the number of tokens as its id, and where the ids skip numbers another token may have that one
#          already. Both are then encoded as the same number, without a word.
# For us:  data/tokenizing.py refuses tokenizers in which two tokens have the same id, also after adding its own.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.3
"$work/venv/bin/python" - <<'PY'
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

core = Tokenizer(WordLevel({"a": 0, "b": 1, "c": 3}, unk_token="a"))
core.add_special_tokens(["<end>"])
words = core.get_vocab()
print("tokenizers 0.23.3:", words)
assert words["<end>"] == words["c"] == 3
assert core.encode("c").ids == core.encode("<end>").ids
PY
