#!/usr/bin/env bash
# Guess:   a model's folder says how its positions are rotated, whichever version wrote it: a reader that doesn't find
#          rope_theta raises an error, or knows where it stands.
# Happens: transformers 5 moved rope_theta and rope_scaling into rope_parameters and writes nothing in their old places.
#          transformers 4.57 reads the folder without a warning with its default, 10,000 for Llama where 500,000 was
#          saved; so does mlx-lm, whose defaults are others again (1,000,000 for Qwen2). Its Qwen3 knows the new place, and
#          its Granite raises. What a model says is another from the second token on.
# For us:  exporting/older.py writes both places, which transformers 5 reads as before; docs/exporting.md.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for name in new old mlx; do python3 -m venv "$work/$name"; done
"$work/new/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
"$work/old/bin/pip" install --quiet --disable-pip-version-check transformers==4.57.6
"$work/mlx/bin/pip" install --quiet --disable-pip-version-check mlx-lm==0.32.2 "mlx[cpu]==0.32.4"
cd "$work"
new/bin/python - <<'PY'
import json

import transformers
from transformers import AutoConfig

print("written by transformers", transformers.__version__)
for kind, theta in (("llama", 500000.0), ("qwen2", 10000.0), ("qwen3", 500000.0)):
    AutoConfig.for_model(kind, rope_theta=theta).save_pretrained(kind)
    written = json.load(open(f"{kind}/config.json"))
    print(kind, written["rope_parameters"], "rope_theta" in written, "rope_scaling" in written)
    assert written["rope_parameters"]["rope_theta"] == theta
    assert "rope_theta" not in written and "rope_scaling" not in written, "changed"
PY
old/bin/python - <<'PY'
import transformers
from transformers import AutoConfig

read = {kind: AutoConfig.from_pretrained(kind).rope_theta for kind in ("llama", "qwen2", "qwen3")}
print("read by transformers", transformers.__version__, read)
assert set(read.values()) == {10000.0}, "changed"
PY
mlx/bin/python - <<'PY'
import json
from importlib.metadata import version

from mlx_lm.models import llama, qwen2, qwen3

read = {}
for module in (llama, qwen2, qwen3):
    kind = module.__name__.rpartition(".")[2]
    read[kind] = module.ModelArgs.from_dict(json.load(open(f"{kind}/config.json"))).rope_theta
print("read by mlx-lm", version("mlx-lm"), read)
assert read == {"llama": 10000, "qwen2": 1000000, "qwen3": 500000.0}, "changed"
PY
