#!/usr/bin/env bash
# Guess:   kw_only=True only changes how a struct is called; what it looks like as JSON stays the same, as
#          it does with dataclasses.asdict.
# Happens: msgspec moves keyword-only fields behind the positional ones, in the constructor and in the
#          encoded bytes. A base class with kw_only=True does not make its subclasses' own fields
#          keyword-only, so that the base's `step` is written after the subclass's `loss`; with kw_only=True
#          on both the order is as declared again.
# For us:  every event says kw_only=True itself; readers that scan journal lines by bytes rely on the order.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0
"$work/venv/bin/python" - <<'PY'
import dataclasses
import json
import msgspec

class Base(msgspec.Struct, kw_only=True):
    step: int

class Inherited(Base):
    loss: float

class Repeated(Base, kw_only=True):
    loss: float

@dataclasses.dataclass(kw_only=True)
class DataBase:
    step: int

@dataclasses.dataclass
class DataChild(DataBase):
    loss: float

print("msgspec", msgspec.__version__)
as_dataclass = json.dumps(dataclasses.asdict(DataChild(step=1, loss=2.0)))
inherited = msgspec.json.encode(Inherited(step=1, loss=2.0))
repeated = msgspec.json.encode(Repeated(step=1, loss=2.0))
print("dataclass          ", as_dataclass)
print("kw_only on the base", inherited.decode())
print("kw_only on both    ", repeated.decode())
assert as_dataclass == '{"step": 1, "loss": 2.0}'
if inherited != b'{"loss":2.0,"step":1}':
    raise SystemExit("changed: the order of inherited keyword-only fields")
assert repeated == b'{"step":1,"loss":2.0}'
assert Inherited(2.0, step=1).loss == 2.0, "the subclass's own field is still positional"
PY
