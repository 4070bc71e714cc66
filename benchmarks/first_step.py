"""Seconds from the command to a training's first step, each time in a new process.

    PYTHONPATH=. python benchmarks/first_step.py [SAMPLE] [--times 7]

The step is taken as made when its line is in the journal; the first run of a folder makes the data,
later ones find it in the cache. Beside each, a process that imports PyTorch and a model's class and
does nothing else: what no training can do without, on the same machine in the same minute.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE_SECONDS = 120.0
IMPORTS = "import torch; from transformers import GPT2LMHeadModel, GPT2TokenizerFast"


def first_step(sample: str, runs: Path, name: str) -> float:
    """Start a training, wait for its first step, and kill it."""
    command = [sys.executable, "-m", "icot_tui", "train", sample, "--name", name, "--quiet"]
    options = ["--runs", str(runs), "--set", "train.observe_every=1"]
    journal = runs / name / "journal.jsonl"
    began = time.perf_counter()
    silent = subprocess.DEVNULL
    process = subprocess.Popen([*command, *options], stdout=silent, stderr=silent)
    try:
        while not (journal.exists() and b'"StepsTrained"' in journal.read_bytes()):
            if process.poll() is not None or time.perf_counter() > began + PATIENCE_SECONDS:
                sys.exit(f"{sample} came to no first step")
            time.sleep(0.005)
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()


def imports() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sample", nargs="?", default="demo")
    parser.add_argument("--times", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [
            (first_step(given.sample, Path(folder), f"first-step-{number}"), imports())
            for number in range(given.times)
        ]
    for name, seconds in zip(
        ("first step", "imports alone"), zip(*found, strict=True), strict=True
    ):
        print(f"{name}:", ", ".join(f"{one:.2f}" for one in seconds))
        print(f"  median {statistics.median(seconds):.2f}")
    shares = [bare / whole for whole, bare in found]
    print(f"imports' share: median {statistics.median(shares):.2f}")


if __name__ == "__main__":
    main()
