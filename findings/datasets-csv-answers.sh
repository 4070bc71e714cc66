#!/usr/bin/env bash
# Guess:   load_dataset("csv") and ("json") give the values that are in the file.
# Happens: types are guessed. In CSV an answer 007 becomes 7, 72 in a column with a blank becomes 72.0, "None" is
#          null. In JSON "2020-01-01" becomes a datetime, integers beyond 64 bits become floats; and a streamed file whose first megabytes have integers
#          fails at the first "1,000", while a short file with both is read.
# For us:  data/readers.py reads JSON, CSV and Parquet itself, and leaves to datasets only what is on the hub or was
#          saved by it; data/library.py warns of columns on the hub whose types were guessed.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$work"
HF_HOME="$work/cache" HF_HUB_OFFLINE=1 "$work/venv/bin/python" - <<'PY'
import datetime
import json
from pathlib import Path

from datasets import load_dataset


def answers(kind, text):
    Path(f"file.{kind}").write_text(text)
    rows = load_dataset(kind, data_files=f"file.{kind}", split="train", streaming=True)
    return (row["a"] for row in rows)


assert list(answers("csv", "q,a\nx,007\ny,10\n")) == [7, 10]
assert list(answers("csv", "q,a\nx,72\ny,\n")) == [72.0, None]
assert list(answers("csv", "q,a\nx,None\ny,z\n")) == [None, "z"]
assert list(answers("json", '{"a": "2020-01-01"}\n')) == [datetime.datetime(2020, 1, 1)]
assert list(answers("json", '{"a": 72}\n{"a": "1,000"}\n')) == [72, "1,000"]
assert list(answers("json", '{"a": 12345678901234567890123}\n{"a": 1}\n')) == [1.2345678901234568e22, 1.0]
late = "".join(json.dumps({"q": "x" * 1000, "a": n}) + "\n" for n in range(20_000))
read = answers("json", late + '{"q": "x", "a": "1,000"}\n')
assert next(read) == 0
try:
    print(list(read)[-1])
except Exception as error:
    assert "Failed to parse string" in str(error), error
else:
    raise AssertionError("a late text in a column of integers is read now")
PY
