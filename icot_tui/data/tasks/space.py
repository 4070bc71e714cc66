"""Drawing distinct problems without ever listing them as Python objects."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icot_tui.errors import UserError

ENUMERABLE = 1 << 23
"""A space of up to this many problems is permuted as a whole: 64 MiB of indices."""
DRAWN_AT_ONCE = 1 << 16
"""Rows drawn together in a larger space; part of the random stream, so never to be changed."""
IN_VAIN = 16
"""After so many draws without a new row in any, there is no other."""
FULL_SHARE = 100_000
"""In a mix of spaces, those larger than this get equal shares, smaller ones less."""
HASH_BASE = 0x9E3779B97F4A7C15
"""An odd number whose powers are spread over 64 bits."""


@dataclass(frozen=True)
class ProblemSpace:
    """All rows of k small integers whose column j lies in low[j] .. high[j] - 1."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of distinct rows."""
        return math.prod(high - low for low, high in zip(self.low, self.high, strict=True))

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """[count, k] distinct rows, shuffled; the first ones do not depend on `count`.

        Raises:
            UserError: there are fewer.
        """
        _check_enough(count, self.size)
        if self.size <= ENUMERABLE:
            return self._rows(rng.permutation(self.size)[:count])

        def draw(rows: int) -> NDArray[np.uint8]:
            size = rows, len(self.low)
            return rng.integers(self.low, self.high, size=size, dtype=np.uint8)

        start = rng.bit_generator.state
        if (few := 2 * count) < DRAWN_AT_ONCE:  # mostly enough, and a mix has hundreds of spaces
            rows = draw(few)  # those with which the whole draw begins
            rows = rows[first_places(self._keys(rows))]
            if len(rows) >= count:
                return rows[:count]
            rng.bit_generator.state = start
        return sample_distinct(draw, self._keys, count)

    def _rows(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """[n, k] the rows that stand at these places when all are counted through."""
        rows = np.empty((len(indices), len(self.low)), dtype=np.uint8)
        for column, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            indices, digit = np.divmod(indices, high - low)
            rows[:, column] = digit + low
        return rows

    def _keys(self, rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """[n] the rows' places, modulo 2^64.

        In a space beyond 2^64 two rows may share a key: then one that was new is passed over,
        which does no harm. Equal rows always share theirs.
        """
        keys = np.zeros(len(rows), dtype=np.uint64)
        weight = 1
        for column, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            keys += rows[:, column].astype(np.uint64) * np.uint64(weight)
            weight = weight * (high - low) % 2**64
        return keys


def sample_distinct(
    draw: Callable[[int], NDArray[np.uint8]],
    keys: Callable[[NDArray[np.uint8]], NDArray[np.uint64]],
    count: int,
) -> NDArray[np.uint8]:
    """[count, k] the first distinct rows drawn; the first ones do not depend on `count`.

    `draw` makes so many rows; rows are distinct if `keys` are, which equal rows share.

    Raises:
        UserError: there are fewer.
    """
    rows = draw(DRAWN_AT_ONCE)
    rows, in_vain = rows[first_places(keys(rows))], 0
    while len(rows) < count:
        rounds = math.ceil((count - len(rows)) / DRAWN_AT_ONCE)
        more = np.concatenate([rows, *(draw(DRAWN_AT_ONCE) for _ in range(rounds))])
        more = more[first_places(keys(more))]
        in_vain = in_vain + 1 if len(more) == len(rows) else 0
        if in_vain == IN_VAIN:
            _check_enough(count, len(rows))
        rows = more
    return rows[:count]


def first_places(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each of [n] keys stands for the first time, in order."""
    return np.sort(np.unique(keys, return_index=True)[1])


def row_keys(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """[n] a number for each row of small integers, odd base 257, modulo 2^64.

    Zeros at a row's end do not count. Two unlike long rows may share a key, equal ones always do.
    """
    return _polynomial(rows.T, 257)


def order_free_keys(operands: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
    """[n] keys of problems with commuting operands, each [n, k] digits, lowest first."""
    return _polynomial(np.sort([row_keys(digits) for digits in operands], axis=0), HASH_BASE)


def _polynomial(coefficients: NDArray[np.unsignedinteger[Any]], base: int) -> NDArray[np.uint64]:
    """[n] the sum of base^i times row i of [k, n], modulo 2^64."""
    total = np.zeros(coefficients.shape[1], dtype=np.uint64)
    for row in coefficients[::-1]:
        total = total * np.uint64(base) + row.astype(np.uint64)
    return total


def sample_mix(
    spaces: Sequence[ProblemSpace], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], list[NDArray[np.uint8]]]:
    """Distinct rows of several spaces, shuffled together; the first do not depend on `count`.

    Large spaces get equal shares; the share of one with fewer than FULL_SHARE rows is smaller in
    that proportion, so that the examples drawn first (the held-out ones) do not use it up. Returns
    [count] which space, and each space's rows [n, k] in the order in which it occurs there.

    Raises:
        UserError: there are fewer.
    """
    _check_enough(count, sum(space.size for space in spaces))
    rows, times = [], []
    enough = _enough_of_each(spaces, count)
    for space, wanted, stream in zip(spaces, enough, rng.spawn(len(spaces)), strict=True):
        row_stream, time_stream = stream.spawn(2)
        rows.append(space.sample(wanted, row_stream))
        given = np.arange(wanted) + time_stream.random(wanted)
        times.append(given / min(space.size, FULL_SHARE))
    which = np.repeat(np.arange(len(spaces)), enough)
    which = which[np.argsort(np.concatenate(times), kind="stable")[:count]]
    taken = np.bincount(which, minlength=len(spaces))
    return which, [part[:n] for part, n in zip(rows, taken, strict=True)]


def _check_enough(wanted: int, existing: int) -> None:
    if wanted > existing:
        raise UserError(
            f"{wanted} distinct problems are wanted, but there are only {existing}: "
            "ask for fewer examples"
        )


def _enough_of_each(spaces: Sequence[ProblemSpace], count: int) -> list[int]:
    """Rows of each space that surely cover the first `count` of the mix.

    At time t a space has given about t times its share, until it is used up: all small ones
    are at time 1.
    """
    shares = [min(space.size, FULL_SHARE) for space in spaces]
    time = count / sum(shares)
    large = sum(space.size > FULL_SHARE for space in spaces)
    if time > 1 and large:
        small = sum(space.size for space in spaces if space.size <= FULL_SHARE)
        time = (count - small) / (large * FULL_SHARE)
    slack = len(spaces) + 1
    return [
        min(space.size, math.ceil(time * share) + slack)
        for space, share in zip(spaces, shares, strict=True)
    ]
