#!/usr/bin/env bash
# Guess:   TensorBoard shows of a resumed run what its own reader, EventAccumulator, gives: all points, in the order of
#          writing; or with SummaryWriter(purge_step=50) no older ones from step 50 on, as its documentation says.
# Happens: three readers, three pictures. The server as it starts by default drops all points of a curve from a repeated
#          step on, but leaves the other curves as they are, and takes no notice of purge_step. With
#          --load_fast=false it keeps all points, and purge_step works from the second resume on. Only EventAccumulator
#          does as guessed. Of several points at one step the server shows the last, the others show all.
# For us:  a resume writes to a folder of its own, start-2 and so on, which all three show as a run of its own (TensorBoard
#          in engine/journal/tracker_clients.py); before, what it had undone stayed in curves without a later point.
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
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def train(run, points, purge=None):
    """A file of events; with `purge`, what torch's SummaryWriter(purge_step=...) writes first."""
    file = EventFileWriter(f"boards/{run}")
    if purge is not None:
        file.add_event(Event(step=purge, file_version="brain.Event:2"))
        file.add_event(Event(step=purge, session_log=SessionLog(status=SessionLog.START)))
    for step, name, value in points:
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        file.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    file.close()
    time.sleep(1.1)  # a file's name has its second


begun = [(10, "loss", 1), (50, "loss", 2), (70, "loss", 3), (70, "spikes", 1)]
for run, purges in (("plain", [None]), ("purged", [50]), ("purged-twice", [50, 40])):
    train(run, begun)
    for purge in purges:
        train(run, [(purge or 50, "loss", 4)], purge)
train("same-step", [(5, "loss", 1), (5, "loss", 2), (6, "spikes", 1)])
CURVES = [
    (run, name)
    for run in ("plain", "purged", "purged-twice", "same-step")
    for name in ("loss", "spikes")
]


def read():
    found = {}
    for run, name in CURVES:
        reader = EventAccumulator(f"boards/{run}")
        reader.Reload()
        found[run, name] = [(point.step, int(point.value)) for point in reader.Scalars(name)]
    return found


def served(*options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars"
    board = subprocess.Popen(["tensorboard", "--logdir=boards", f"--port={port}", *options])
    before = None
    try:
        for _ in range(120):
            time.sleep(1)
            try:
                now = {
                    (run, name): [
                        (step, int(value))
                        for _, step, value in json.load(urlopen(f"{asked}?run={run}&tag={name}"))
                    ]
                    for run, name in CURVES
                }
            except OSError:  # it isn't ready yet
                continue
            if now == before:
                return now
            before = now
        raise AssertionError("TensorBoard shows nothing")
    finally:
        board.terminate()
        board.wait()


print("tensorboard", version("tensorboard"), "its data server", version("tensorboard-data-server"))
reader, server, slow = read(), served(), served("--load_fast=false")
for name, picture in {"reader": reader, "server": server, "--load_fast=false": slow}.items():
    print(name, *(f"{' '.join(curve)}: {points}" for curve, points in picture.items()), sep="\n  ")
whole = [(10, 1), (50, 2), (70, 3), (50, 4)]
assert reader["plain", "loss"] == slow["plain", "loss"] == whole
assert reader["plain", "spikes"] == slow["plain", "spikes"] == [(70, 1)]
assert reader["purged", "loss"] == [(10, 1), (50, 4)] and reader["purged", "spikes"] == []
assert slow["purged", "loss"] == whole and slow["purged", "spikes"] == [(70, 1)], "changed"
assert slow["purged-twice", "loss"] == [(10, 1), (40, 4)] and slow["purged-twice", "spikes"] == []
for run in ("plain", "purged"):
    assert server[run, "loss"] == [(10, 1), (50, 4)] and server[run, "spikes"] == [(70, 1)], "changed"
assert server["purged-twice", "spikes"] == [(70, 1)], "changed"
assert reader["same-step", "loss"] == slow["same-step", "loss"] == [(5, 1), (5, 2)]
assert server["same-step", "loss"] == [(5, 2)], "changed"
PY
