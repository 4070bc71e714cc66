#!/usr/bin/env bash
# Guess:   a reader of JSON lines gives a column for each key in the file, with nulls where a line lacks it, as pandas
#          does; or, where it looked at the first lines only, it raises at a key that it didn't see there, as DuckDB does.
# Happens: polars goes by the first 100 lines, and leaves out all keys that come later: no column, no error, no warning,
#          and the right number of rows. So does its lazy reader. With infer_schema_length=None it reads all.
# For us:  journal.jsonl: evaluations begin after the first hundred lines, and `finished` stands in the last line of all.
#          docs/journal-format.md says what each reader needs.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 duckdb==2.0.1 pandas==3.1.1
cd "$work"
venv/bin/python - <<'PY'
import json
import warnings
from pathlib import Path

import duckdb
import pandas
import polars

warnings.simplefilter("error")

def read(lines):
    """What becomes of a key that stands in the last of so many lines: is it there, or what is raised?"""
    steps = [{"event": "StepsTrained", "step": step, "losses": [1 / step]} for step in range(1, lines)]
    last = {"event": "Evaluated", "step": lines, "exact_match": 0.98}
    Path("journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (*steps, last)))
    readers = {
        "pandas": lambda: pandas.read_json("journal.jsonl", lines=True),
        "polars": lambda: polars.read_ndjson("journal.jsonl"),
        "polars, lazily": lambda: polars.scan_ndjson("journal.jsonl").collect(),
        "polars, all": lambda: polars.read_ndjson("journal.jsonl", infer_schema_length=None),
        "duckdb": lambda: duckdb.sql("select * from read_json('journal.jsonl')").df(),
        "duckdb, all": lambda: duckdb.sql("select * from read_json('journal.jsonl', sample_size=-1)").df(),
    }
    found = {}
    for name, reader in readers.items():
        try:
            table = reader()
            assert len(table) == lines
            found[name] = "exact_match" in table.columns
        except duckdb.Error:
            found[name] = "raises"
    return found

print("polars", polars.__version__, "duckdb", duckdb.__version__, "pandas", pandas.__version__)
all_read = {"pandas": True, "polars": True, "polars, lazily": True, "polars, all": True, "duckdb": True, "duckdb, all": True}
lost = all_read | {"polars": False, "polars, lazily": False}
for lines, expected in ((100, all_read), (101, lost), (20_480, lost), (30_000, lost | {"duckdb": "raises"})):
    found = read(lines)
    print(f"a key of line {lines:,}: {found}")
    assert found == expected, "changed"
PY
