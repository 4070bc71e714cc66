"""What a checkpoint costs, in this checkout and in another one.

    python benchmarks/saving.py --other CHECKOUT [--rounds 5] [--steps 40]

The demo trains for so many steps with a checkpoint after each, in both checkouts in turn, with one
thread; each run's journal tells how long its checkpoints took. A round's ratio is that of the two
medians; the median of the rounds is told with the least and the greatest.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def milliseconds(checkout: Path, steps: int) -> float:
    """The median of a training's checkpoints, without the first one."""
    changes = [
        f"train.max_steps={steps}",
        "checkpoints.every_steps=1",
        "checkpoints.keep_best=false",
        "evaluation.every_steps=1000000",
        "evaluation.samples=0",
        "data.validation_examples=1",
        "train.threads=1",
    ]
    words = [word for change in changes for word in ("--set", change)]
    with tempfile.TemporaryDirectory(dir=HERE) as runs:  # on the disk that the checkout is on
        command = [sys.executable, "-m", "icot_tui", "train", "demo", "--runs", runs, *words]
        surroundings = os.environ | {"PYTHONPATH": str(checkout)}
        subprocess.run(command, cwd=runs, env=surroundings, check=True, capture_output=True)
        (journal,) = Path(runs).glob("*/journal.jsonl")
        events = [json.loads(line) for line in journal.read_text().splitlines()]
    saved = [event["seconds"] for event in events if event["event"] == "CheckpointSaved"]
    return statistics.median(saved[1:]) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    other, steps = arguments.other.resolve(), arguments.steps
    rounds = [
        (milliseconds(HERE, steps), milliseconds(other, steps)) for _ in range(arguments.rounds)
    ]
    here, there = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratios = [one / two for one, two in rounds]
    print(
        f"{here:.1f} ms here, {there:.1f} ms in the other; ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
