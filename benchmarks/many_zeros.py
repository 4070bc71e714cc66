"""4x4-digit products of which many digits are zero, to train on, and uniform ones to evaluate on.

    python benchmarks/many_zeros.py FOLDER [--seed 0] [--zeros 0.45]
    icot-tui train mult-3x3-cpu --set data.train=FOLDER/train.txt
        --set data.validation=FOLDER/validation.txt --set data.task= --set data.options= ...

Writes `train.txt` and `validation.txt`, chains of thought of rows alone. A zero in a factor makes
a row of zeros, so that sums of two and three numbers are learnt on the way to sums of four. In the
training problems each digit of b but the highest is zero with the chance `--zeros`, each of a with
a third of it, beside those that are zero anyway. The validation problems are drawn evenly, and none
of them is trained on, in either order.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.tasks.multiplication import Multiplication

DIGITS = 4
TRAIN, VALIDATION = 808_000, 1_000
TASK = Multiplication({"digits": f"{DIGITS}x{DIGITS}", "format": "rows"})


def problems(count: int, zeros: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """[at most count, 10] distinct problems of the task, in random order."""
    found = TASK.sample(count, rng)
    for begin, chance in ((2, zeros / 3), (2 + DIGITS, zeros)):
        lower = found[:, begin : begin + DIGITS - 1]  # lowest first
        lower[rng.random(lower.shape) < chance] = 0
    found = np.unique(found, axis=0)
    rng.shuffle(found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--zeros", type=float, default=0.45)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    held_out = problems(VALIDATION, 0.0, rng)
    train = problems(TRAIN, given.zeros, rng)
    known = np.isin(TASK.order_free_keys(train), TASK.order_free_keys(held_out))
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", train[~known]), ("validation", held_out)):
        (given.folder / f"{name}.txt").write_bytes(TASK.lines(part))
        print(f"{given.folder / name}.txt: {len(part):,} problems")


if __name__ == "__main__":
    main()
