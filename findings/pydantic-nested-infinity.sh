#!/usr/bin/env bash
# Guess:   a model whose config says ser_json_inf_nan="strings" writes every infinity in it as a string; or the
#          JSON and the JSON-like dictionary of a model hold the same values.
# Happens: the setting holds for the fields of its own class alone. An infinity in a nested model whose class lacks
#          it becomes null, and reads back as an error or, in an optional field, as a missing value. A dictionary
#          from model_dump(mode="json") keeps the float in all cases.
# For us:  a removal smoothing of inf goes into icot_tui.json: every section of the config has the setting.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.3
"$work/venv/bin/python" - <<'PY'
import math
from pydantic import BaseModel, ConfigDict

class Plain(BaseModel):
    rate: float | None = 1.0

class Strings(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")
    own: float
    nested: Plain

value = Strings(own=math.inf, nested=Plain(rate=math.inf))
assert value.model_dump_json() == '{"own":"Infinity","nested":{"rate":null}}', value.model_dump_json()
assert Strings.model_validate_json(value.model_dump_json()).nested.rate is None
assert value.model_dump(mode="json") == {"own": math.inf, "nested": {"rate": math.inf}}
print("pydantic 2.14.3: own field", value.model_dump_json())
PY
