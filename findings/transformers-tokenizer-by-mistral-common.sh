#!/usr/bin/env bash
# Guess:   the ids that AutoTokenizer gives a text depend on the folder and on the versions of transformers and tokenizers;
#          a folder with tokenizer.json needs no other package, and takes no notice of one.
# Happens: where the folder has tekken.json beside it, as many of Mistral's have, and mistral-common happens to be
#          installed, another class comes back, of which tokenizer.json is no part. </s> and [INST] in a text are then
#          letters, where they are one token each without that package; <s> is put in front; there is no is_fast; and
#          get_vocab gives 408 tokens the id 0. It is so whatever class tokenizer_config.json names, and nothing is said.
# For us:  end-of-text stands in texts as separator. data/tokenizer_reading.py goes by tokenizer.json with and without the
#          package; a folder of tekken.json alone is refused.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 mistral-common==1.13.1
cat > "$work/ids.py" <<'PY'
import sys
from transformers import AutoTokenizer
from transformers.utils import logging

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer("12*34=408</s>")["input_ids"]
print(type(tokenizer).__name__, "fast" if getattr(tokenizer, "is_fast", False) else "", *ids)
PY
cat > "$work/make.py" <<'PY'
import json
import shutil
import sys
from pathlib import Path
import mistral_common
from transformers import MistralConfig, PreTrainedTokenizerFast

folder = Path(sys.argv[1])
folder.mkdir()
shutil.copy(Path(mistral_common.__file__).parent / "data" / "tekken_240911.json", folder / "tekken.json")
MistralConfig().save_pretrained(folder)
PreTrainedTokenizerFast.from_pretrained(folder, eos_token="</s>").save_pretrained(folder)
settings = json.loads((folder / "tokenizer_config.json").read_text())
del settings["tokenizer_class"]
(folder / "tokenizer_config.json").write_text(json.dumps(settings))
PY
"$work/venv/bin/python" "$work/make.py" "$work/model"
with=$("$work/venv/bin/python" "$work/ids.py" "$work/model")
"$work/venv/bin/pip" uninstall --quiet --yes mistral-common
without=$("$work/venv/bin/python" "$work/ids.py" "$work/model")
echo "transformers 5.23.0, mistral-common 1.13.1"
echo "with mistral-common:    $with"
echo "without mistral-common: $without"
[ "$with" = "MistralCommonBackend  1 1049 1050 1042 1051 1052 1061 1052 1048 1056 1885 1115 1062" ] || { echo changed; exit 1; }
[ "$without" = "TokenizersBackend fast 1049 1050 1042 1051 1052 1061 1052 1048 1056 2" ] || { echo changed; exit 1; }
