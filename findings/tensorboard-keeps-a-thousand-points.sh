#!/usr/bin/env bash
# Guess:   TensorBoard draws all points of a curve, or thins out a long one so that its peaks stay; and
#          --samples_per_plugin scalars=0 keeps all, as a size of 0 does in its own reader, EventAccumulator.
# Happens: the server keeps 1,000 points of each curve, chosen at random, and says so nowhere on the page. Of nine spikes
#          of one step among 5,000 about two are left; smoothing and zooming show no more. scalars=0 shows no
#          point at all, with either of its loaders, and raises nothing; scalars=5000 shows all.
# For us:  a removal's spike is a point or two of `loss`. `runs export --to tensorboard` prints the command with the option,
#          and docs/trackers.md has it; the curves `spikes` and `spike_loss` are short and stay whole.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check tensorboard==2.21.0 tensorboard-data-server==0.7.2
cd "$work"
PATH="$work/venv/bin:$PATH" python - 2> errors <<'PY' || { tail -5 errors; exit 1; }
import json
import socket
import subprocess
import time
from importlib.metadata import version
from urllib.request import urlopen

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

STEPS, SPIKES = 5000, range(500, 5000, 500)
file = EventFileWriter("boards/run")
for step in range(1, STEPS + 1):
    point = Summary.Value(tag="loss", simple_value=9 if step in SPIKES else 0.1)
    file.add_event(Event(wall_time=step, step=step, summary=Summary(value=[point])))
file.close()


def points(address):
    try:
        return json.load(urlopen(f"{address}/scalars?run=run&tag=loss"))
    except OSError:  # not up yet, or not read yet
        return None


def served(*options):
    """How many points the server shows, and how many of the spikes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/data/plugin/scalars"
    board = subprocess.Popen(["tensorboard", "--logdir=boards", f"--port={port}", *options])
    try:
        for _ in range(60):
            time.sleep(1)
            if points(address) is not None:
                time.sleep(5)
                shown = points(address)
                return len(shown), sum(value > 1 for _, _, value in shown)
        raise SystemExit("the server shows no such curve: changed")
    finally:
        board.terminate()
        board.wait()


print("tensorboard", version("tensorboard"), "data server", version("tensorboard-data-server"))
reader = EventAccumulator("boards/run", size_guidance={"scalars": 0})
reader.Reload()
assert len(reader.Scalars("loss")) == STEPS
for loader in ([], ["--load_fast=false"]):
    found = {
        kept or "default": served(*loader, *([f"--samples_per_plugin=scalars={kept}"] if kept else []))
        for kept in ("", "0", "5000")
    }
    print(*loader, "(points, spikes):", found)
    assert found["default"][0] == 1000 and found["default"][1] < len(SPIKES), "changed"
    assert found["0"] == (0, 0) and found["5000"] == (STEPS, len(SPIKES)), "changed"
PY
