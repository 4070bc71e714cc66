"""Examples that stand more than once: within a split, or in two of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.examples import Chunk
from icot_tui.errors import UserError

_DIGITS = re.compile(rb"\d+")


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """So many of a split's examples stand in an earlier split, too.

    Attributes:
        same_source: both splits were given the same source, on purpose.
    """

    first: str
    second: str
    count: int
    of: int
    same_source: bool

    @property
    def words(self) -> str:
        """What it is and what follows from it."""
        return f"{self._found}: results on {self.second} will look too good"

    def check(self, most: float) -> None:
        """Raise a UserError if more than this share of a held-out split is trained on."""
        if self.first == "train" and self.count > most * self.of and not self.same_source:
            raise UserError(
                f"{self._found}, more than data.max_overlap = {most:g} allows: take them out, or "
                "raise it"
            )

    @property
    def _found(self) -> str:
        return (
            f"{self.count:,} of {self.of:,} {self.second} examples are also in {self.first} (the "
            "same input, or the same but for blanks and the order of digits)"
        )


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
