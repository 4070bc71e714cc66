"""What a checkpoint costs, in this checkout and in another one.

    python benchmarks/saving.py --other CHECKOUT [--rounds 9] [--steps 120]

The demo trains for so many steps with a checkpoint every two and with none but the last, in both
checkouts, in turn; what a checkpoint costs is the difference divided by their number. Whole
processes with one thread each. The ratio is that of a round's two differences; medians are told
with the least and the greatest.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
EVERY = 2


def seconds(checkout: Path, steps: int, every: int) -> tuple[float, float]:
    """The clock's and the processor's seconds of one training."""
    changes = [
        f"train.max_steps={steps}",
        f"checkpoints.every_steps={every}",
        "checkpoints.keep_best=false",
        "evaluation.every_steps=1000000",
        "evaluation.samples=0",
        "data.validation_examples=1",
        "train.threads=1",
    ]
    words = [word for change in changes for word in ("--set", change)]
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "icot_tui", "train", "demo", "--runs", runs, *words]
        surroundings = os.environ | {"PYTHONPATH": str(checkout)}
        before = os.times()
        subprocess.run(command, cwd=runs, env=surroundings, check=True, capture_output=True)
        after = os.times()
    used = after.children_user + after.children_system
    return after.elapsed - before.elapsed, used - before.children_user - before.children_system


def cost(checkout: Path, steps: int) -> tuple[float, float]:
    """Milliseconds of a checkpoint: the clock's and the processor's."""
    saves = steps // EVERY - 1
    many, none = seconds(checkout, steps, EVERY), seconds(checkout, steps, steps)
    clock, processor = ((a - b) / saves * 1000 for a, b in zip(many, none, strict=True))
    return clock, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=120)
    arguments = parser.parse_args()
    rounds = [
        (cost(HERE, arguments.steps), cost(arguments.other.resolve(), arguments.steps))
        for _ in range(arguments.rounds)
    ]
    for place, name in enumerate(("clock", "processor")):
        here, other = ([costs[which][place] for costs in rounds] for which in (0, 1))
        ratios = [one / two for one, two in zip(here, other, strict=True)]
        print(
            f"{name}: {statistics.median(here):.1f} ms here, {statistics.median(other):.1f} ms "
            f"in the other; ratio {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
