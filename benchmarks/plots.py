"""What plots and views without the screen cost.

    python benchmarks/plots.py [--run runs/demo] [--repeats 3] [--seconds 30] [--keep FOLDER]

`runs plot` of a made-up run of a million steps, `attach --once` of a run such as the demo, and
`watch` of twenty runs in a terminal, whose journals get ten steps a second each.
"""

import argparse
import itertools
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from attach import PER_LINE, make

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.run_folder import RunFolder

STEPS = 1_000_000
RUNS = 20


def timed(arguments: Sequence[str], repeats: int) -> None:
    """Print what a command takes: on the clock, of the processor, and of memory."""
    walls, busy, peaks = [], [], []
    for _ in range(repeats):
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "icot_tui", *arguments], stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0, arguments
        walls.append(time.perf_counter() - began)
        busy.append(used.ru_utime + used.ru_stime)
        peaks.append(used.ru_maxrss / 1024)
    what = " ".join(word for word in arguments if not word.startswith("/"))
    print(
        f"| {what} | {statistics.median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f}) "
        f"| {statistics.median(busy):.2f} | {max(peaks):.0f} |"
    )


def watched(runs: Path, seconds: float) -> None:
    """Print the share of a core that `watch` takes once all runs are read."""
    folders = [a_run(runs, f"run-{number}") for number in range(RUNS)]
    for folder in folders:
        folder.lock()
    over = threading.Event()
    threading.Thread(target=train, args=(folders, over), daemon=True).start()
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "icot_tui", "watch", "--runs", str(runs)]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, env=os.environ | {"TERM": "xterm"}
    )
    threading.Thread(target=drain, args=(master,), daemon=True).start()
    time.sleep(10)
    before, began = cpu_seconds(process.pid), time.perf_counter()
    time.sleep(seconds)
    share = (cpu_seconds(process.pid) - before) / (time.perf_counter() - began)
    process.kill()
    over.set()
    print(f"| watch of {RUNS} runs | {share:.2%} of a core | | |")


def a_run(runs: Path, name: str) -> RunFolder:
    folder = RunFolder.create(runs, name, dump_toml(load_config("demo").config))
    make(folder, 2000)
    return folder


def train(folders: Sequence[RunFolder], over: threading.Event) -> None:
    """Add a line of ten steps to each journal every second."""
    lines = [
        json.loads(
            next(
                line
                for line in reversed(folder.journal.read_bytes().splitlines())
                if b"StepsT" in line
            )
        )
        for folder in folders
    ]
    for step in itertools.count(1):
        if over.wait(1.0):
            return
        for folder, line in zip(folders, lines, strict=True):
            news = {"time": time.time(), "step": line["step"] + PER_LINE * step}
            news["first"] = news["step"] - PER_LINE + 1
            with open(folder.journal, "ab") as journal:
                journal.write(json.dumps(line | news, separators=(",", ":")).encode() + b"\n")


def drain(master: int) -> None:
    while os.read(master, 65536):
        pass


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="for attach --once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--keep", type=Path, help="make the long run here once, and use it again")
    arguments = parser.parse_args()
    print("| what | seconds | of the processor | peak MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        runs = arguments.keep or Path(temporary) / "long"
        if not (runs / "long").exists():
            config = dump_toml(load_config("demo").config)
            make(RunFolder.create(runs, "long", config), STEPS // PER_LINE)
        long = str(runs / "long")
        timed(["runs", "plot", long, "--log"], arguments.repeats)
        timed(["runs", "plot", long, "--y", "grad-norm", "--smooth"], arguments.repeats)
        if arguments.run:
            timed(["attach", str(arguments.run), "--once"], arguments.repeats)
        timed(["train", "--help"], arguments.repeats)
        watched(Path(temporary) / "watched", arguments.seconds)


if __name__ == "__main__":
    main()
