#!/usr/bin/env bash
# Guess:   mlflow-skinny, "a lightweight MLflow package without SQL storage", keeps runs in files, as MLflow did by
#          default for years: a client given a folder writes there, and one given nothing writes to ./mlruns.
# Happens: with neither does it keep anything. A folder is refused ("in maintenance mode"), and so is the default,
#          a SQLite file, for which the package lacks the libraries. MLFLOW_ALLOW_FILE_STORE=true makes the folder work.
# For us:  the extra `trackers` asks for the whole of mlflow, although runs/tracking.py needs its client only; the
#          tests set that variable.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mlflow-skinny==3.17.2
cd "$work"
cat > log.py <<'PY'
import sys
import mlflow
from mlflow.tracking import MlflowClient

print("mlflow-skinny", mlflow.__version__)
client = MlflowClient(sys.argv[1] if sys.argv[1:] else None)
run = client.create_run(client.create_experiment("mine"))
client.log_metric(run.info.run_id, "loss", 0.5, step=1)
print(client.get_metric_history(run.info.run_id, "loss")[0].value)
PY
unset MLFLOW_TRACKING_URI MLFLOW_ALLOW_FILE_STORE
for where in "" "file://$work/runs"; do
  if said=$(venv/bin/python log.py $where 2>&1); then echo "changed: '$where' works now"; exit 1; fi
  tail -n 1 <<< "$said" | cut -c 1-120
done
said=$(MLFLOW_ALLOW_FILE_STORE=true venv/bin/python log.py "file://$work/runs" 2>&1)
echo "$said"
grep -qx 0.5 <<< "$said"
