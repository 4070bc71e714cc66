#!/usr/bin/env bash
# Guess:   run.log(values, step=n) adds a point at step n, in whatever order the steps come, as TensorBoard, MLflow
#          and trackio do; or it raises.
# Happens: a step below the last one is dropped: no error, and nothing in the file, only a warning on stderr that a
#          silent run does not print. NaN and infinities are kept, as the texts NaN, Infinity and -Infinity.
# For us:  runs/tracking.py starts another run there at each resume, whose checkpoint lies before the last step, and
#          `runs export --to wandb` writes the effective history, whose steps never fall.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check wandb==0.31.0
cd "$work"
WANDB_MODE=offline WANDB_SILENT=true venv/bin/python - <<'PY'
import glob
import math
import struct

import wandb
from wandb.proto import wandb_internal_pb2


def records(path):
    """LevelDB's log format after seven bytes."""
    raw, at, whole = open(path, "rb").read(), 7, b""
    while at + 7 <= len(raw):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", raw[at : at + 7])
        whole += raw[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


print("wandb", wandb.__version__)
run = wandb.init(project="mine")
for step, value in ((1, 1.0), (5, math.nan), (6, math.inf), (7, -math.inf), (3, 0.5), (8, 0.25)):
    run.log({"loss": value}, step=step)
run.finish()
(path,) = glob.glob("wandb/offline-run-*/*.wandb")
kept = {}
for record in records(path):
    values = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
    if "loss" in values:
        kept[int(values["_step"])] = values["loss"]
print(kept)
assert kept == {1: "1", 5: "NaN", 6: "Infinity", 7: "-Infinity", 8: "0.25"}, "changed"
PY
