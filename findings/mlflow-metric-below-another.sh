#!/usr/bin/env bash
# Guess:   MLflow takes slashes in names of metrics, to group them: `loss` and, of its parts, `loss/student`.
# Happens: its file store keeps a metric in a file of that name, and a file can't be a folder as well: the batch that
#          has the second one is refused with "Not a directory". SQL stores take both.
# For us:  trackers get a part of the loss as `loss_parts/student` (engine/journal/trackers.py).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mlflow-skinny==3.17.2
cd "$work"
cat > log.py <<'PY'
import sys
import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

client = MlflowClient(sys.argv[1])
run = client.create_run(client.create_experiment(sys.argv[2])).info.run_id
names = ("loss", sys.argv[2])
client.log_batch(run, metrics=[Metric(name, 0.5, 1, 1) for name in names])
print(mlflow.__version__, *(client.get_metric_history(run, name)[0].value for name in names))
PY
export MLFLOW_ALLOW_FILE_STORE=true
if said=$(venv/bin/python log.py "file://$work/runs" loss/student 2>&1); then echo "changed: it works now"; exit 1; fi
grep -q "Not a directory" <<< "$said" || { echo "changed: $said"; exit 1; }
tail -n 1 <<< "$said" | sed "s|$work|...|"
venv/bin/python log.py "file://$work/runs" loss_parts/student
