#!/usr/bin/env bash
# Guess:   polars reads a CSV column of numbers with blanks between them as numbers, as pandas does; or else it raises.
# Happens: it goes by the first 100 rows. A column that is blank in all of these becomes text, without a word: its mean is
#          None, and its maximum the last text in alphabetical order, 9.5e-05 rather than 0.98. With
#          infer_schema_length=None it is read as numbers.
# For us:  `runs export` writes a row for each step, and exact_match stands only in those with an evaluation, which mostly
#          come later; docs/manual.md says it, and `--to parquet` gives columns their types.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 pandas==3.1.1
cd "$work"
venv/bin/python - <<'PY'
from pathlib import Path

import pandas
import polars

measured = {200: "9.5e-05", 400: "0.0325", 600: "0.53", 800: "0.98"}
rows = [f"{step},{1 / step},{measured.get(step, '')}\n" for step in range(1, 1001)]
Path("run.csv").write_text("".join(["step,loss,exact_match\n", *rows]))
print("polars", polars.__version__, "pandas", pandas.__version__)
read = {
    "pandas": pandas.read_csv("run.csv")["exact_match"],
    "polars": polars.read_csv("run.csv")["exact_match"],
    "polars, lazily": polars.scan_csv("run.csv").collect()["exact_match"],
    "polars, all rows": polars.read_csv("run.csv", infer_schema_length=None)["exact_match"],
}
found = {}
for name, column in read.items():
    found[name] = (column.max(), column.mean())
    print(f"{name}: {column.dtype}, greatest and mean {found[name]}")
right = (0.98, (0.98 + 0.53 + 0.0325 + 9.5e-05) / 4)
assert found["pandas"][0] == right[0] and abs(found["pandas"][1] - right[1]) < 1e-12
assert found["polars, all rows"][0] == right[0]
assert found["polars"] == found["polars, lazily"] == ("9.5e-05", None), "changed"
PY
