#!/usr/bin/env bash
# Guess:   Dataset.to_json and to_csv write what the dataset holds: floats with all their digits, as Python and Parquet
#          have them, and a list of texts as JSON, as Python prints it, or not at all.
# Happens: both hand the work to pandas. JSON gets ten decimals, without a word: 1/3 becomes 0.3333333333, and 1e-11 is
#          0.0. In CSV a list is what NumPy prints, without commas: ['2+2=4' '4*3=12']. ast.literal_eval, which gives a
#          printed list back, takes it for one of one text, 2+2=44*3=12. polars writes all digits, and raises for lists.
# For us:  answers and steps of data that was prepared with the library. docs/manual.md has it in "Your own data";
#          data/doubts.py warns where all chains are printed lists, which were trained on with brackets and quotes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pandas==3.1.1 polars==2.1.0
cd "$work"
HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python - <<'PY'
import ast
import csv
import json

import datasets
import pandas
import polars

print("datasets", datasets.__version__, "pandas", pandas.__version__, "polars", polars.__version__)
answers = [1 / 3, 1e-11, 2.5]
numbers = datasets.Dataset.from_dict({"answer": answers})
assert numbers["answer"][:] == answers
numbers.to_json("datasets.jsonl")
polars.DataFrame({"answer": answers}).write_ndjson("polars.jsonl")
written = {
    name: [json.loads(line)["answer"] for line in open(f"{name}.jsonl")]
    for name in ("datasets", "polars")
}
print(written)
assert written["polars"] == answers
assert written["datasets"] == [0.3333333333, 0.0, 2.5], "changed"

steps = [["2+2=4", "4*3=12"], ["it's 2"]]
datasets.Dataset.from_dict({"steps": steps}).to_csv("datasets.csv")
shown = [row["steps"] for row in csv.DictReader(open("datasets.csv"))]
print(shown)
assert shown == ["['2+2=4' '4*3=12']", '["it\'s 2"]'], "changed"
assert ast.literal_eval(shown[0]) == ["2+2=44*3=12"]
try:
    polars.DataFrame({"steps": steps}).write_csv("polars.csv")
except polars.exceptions.ComputeError as error:
    print("polars:", error)
else:
    raise SystemExit("polars writes lists as CSV now: changed")
PY
