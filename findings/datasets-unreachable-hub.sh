#!/usr/bin/env bash
# Guess:   load_dataset of a name that cannot be reached fails after one timeout, as model_info does.
# Happens: it retries for more than ten seconds, with a line on stderr for each try, and then says "Couldn't reach"
#          whether the name exists or not.
# For us:  HubDataset in data/readers.py looks for a downloaded copy first, and asks dataset_info before the loader.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
HF_HOME="$work/cache" HF_ENDPOINT=http://127.0.0.1:9 "$work/venv/bin/python" - <<'PY'
import time

from datasets import load_dataset
from huggingface_hub import dataset_info


def seconds(call):
    began = time.monotonic()
    try:
        call()
    except Exception as error:
        return time.monotonic() - began, str(error)
    raise AssertionError("nothing is there to answer")


took, said = seconds(lambda: load_dataset("icot-tui/is-not-there", split="train"))
assert took > 10 and "Couldn't reach" in said, (took, said)
took, _ = seconds(lambda: dataset_info("icot-tui/is-not-there", timeout=2))
assert took < 10, took
PY
