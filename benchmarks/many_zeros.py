"""4x4-digit products of which many digits are zero, to train on, and uniform ones to evaluate on.

    python benchmarks/many_zeros.py FOLDER [--seed 0] [--zeros 0.45] [--share 1.0]

What is trained on them, and what comes of it, is in RESULTS.md, section 2.

Writes `train.txt`, `validation.txt` and `test.txt`, chains of thought of rows alone. A zero in a
factor makes a row of zeros, so that sums of two and three numbers are learnt on the way to sums of
four. In the share `--share` of the training problems each digit of b but the highest is zero with
the chance `--zeros`, each of a with a third of it, beside those that are zero anyway; the others,
and those of the other two files, are drawn evenly. No file has a problem of another, in either
order.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.tasks.multiplication import Multiplication

DIGITS = 4
TRAIN, VALIDATION, TEST = 808_000, 1_000, 5_000
TASK = Multiplication({"digits": f"{DIGITS}x{DIGITS}", "format": "rows"})


def problems(
    count: int, rng: np.random.Generator, zeros: float = 0.0, share: float = 0.0
) -> NDArray[np.uint8]:
    """[at most count, 10] distinct problems of the task, in random order."""
    found = TASK.sample(count, rng)
    changed = found[: round(share * count)]  # a view
    for begin, chance in ((2, zeros / 3), (2 + DIGITS, zeros)):
        lower = changed[:, begin : begin + DIGITS - 1]  # lowest first
        lower[rng.random(lower.shape) < chance] = 0
    found = np.unique(found, axis=0)
    rng.shuffle(found)
    return found


def without(some: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Those that are not among the others, in either order of the factors."""
    return some[~np.isin(TASK.order_free_keys(some), TASK.order_free_keys(others))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--zeros", type=float, default=0.45)
    parser.add_argument("--share", type=float, default=1.0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    held_out = problems(VALIDATION, rng)
    train = problems(TRAIN, rng, given.zeros, given.share)
    train = without(train, held_out)
    test = without(without(problems(2 * TEST, rng), held_out), train)[:TEST]
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", train), ("validation", held_out), ("test", test)):
        (given.folder / f"{name}.txt").write_bytes(TASK.lines(part))
        print(f"{given.folder / name}.txt: {len(part):,} problems")


if __name__ == "__main__":
    main()
