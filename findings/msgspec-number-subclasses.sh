#!/usr/bin/env bash
# Guess:   numpy.float64 is a subclass of Python's float, and json.dumps writes it, so msgspec's JSON
#          encoder writes it too.
# Happens: msgspec encodes exact built-in types only. numpy.float64, numpy.str_ and any own subclass of int,
#          float or str raise TypeError, in JSON and in MessagePack; msgspec.convert(x, float) refuses
#          numpy.float64 as well. A struct's field annotated `float` holds one without complaint until it is
#          encoded, which may be hours into a run.
# For us:  the journal converts numbers to built-in ones before it encodes (tests/engine/test_events.py).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import json
import msgspec
import numpy

class Loss(msgspec.Struct):
    value: float

class Mine(int):
    pass

print("msgspec", msgspec.__version__, "numpy", numpy.__version__)
number = numpy.float64(0.25)
assert isinstance(number, float)
assert json.dumps({"value": number}) == '{"value": 0.25}'
held = Loss(value=number)
for name, attempt in {
    "json.encode": lambda: msgspec.json.encode(held),
    "msgpack.encode": lambda: msgspec.msgpack.encode(held),
    "to_builtins": lambda: msgspec.to_builtins(number),
    "own subclass of int": lambda: msgspec.json.encode(Mine(1)),
    "numpy.str_": lambda: msgspec.json.encode(numpy.str_("a")),
}.items():
    try:
        attempt()
    except TypeError as error:
        print(f"{name}: TypeError: {error}")
    else:
        raise SystemExit(f"changed: {name} works now")
try:
    msgspec.convert(number, float)
except msgspec.ValidationError as error:
    print(f"convert: ValidationError: {error}")
else:
    raise SystemExit("changed: convert takes numpy.float64 now")
PY
