"""Examples that stand more than once: within a split, or in two of them."""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.examples import Chunk

_DIGITS = re.compile(rb"\d+")


def example_hashes(chunks: Iterable[Chunk]) -> NDArray[np.int64]:
    """[N, 2] hashes of inputs, and of normalized examples; they are good in this process only.

    Normalized: input and answer without blanks, in one of both orders of digits, so that
    `1 2 * 3 4` with the lowest digits first is 21 * 43.
    """
    lines = (line for chunk in chunks for line in chunk.text.split(b"\n") if line.strip())
    pairs = ((hash(line.partition(b"||")[0].strip()), _normalized(line)) for line in lines)
    return np.fromiter(pairs, dtype=np.dtype((np.int64, 2)))


def repeated(hashes: NDArray[np.int64]) -> int:
    """How many of [N, 2] examples have the input of an earlier one."""
    return len(hashes) - len(np.unique(hashes[:, 0]))


def shared(train: NDArray[np.int64], held_out: NDArray[np.int64]) -> int:
    """How many held-out examples stand in the other split: by their input, or normalized."""
    equal = [np.isin(held_out[:, part], train[:, part]) for part in (0, 1)]
    return int((equal[0] | equal[1]).sum())


def _normalized(line: bytes) -> int:
    question, _, rest = line.replace(b" ", b"").partition(b"||")
    plain = question + b"#" + rest.rpartition(b"####")[2].strip()
    return hash(min(plain, _DIGITS.sub(lambda digits: digits[0][::-1], plain)))
