"""Products of two numbers: the papers' chain of thought, a tree of sums, or the rows alone.

A number a of n digits times a number b of m digits; digits stand lowest first, blanks between
all symbols. Row i is a * b_i * 10^i, written with n + 1 + i digits.

long   `row 0 + row 1 ( sum of rows 0..1 ) + row 2 ( sum of rows 0..2 ) ... + row m-1`: a running
       sum in parentheses after each row but the first and the last. It is as wide as the last row
       in it. This is the papers' format.
tree   `row 0 + row 1 + ... + row m-1 ( s + s + ... ) ( s + s ... ) ...`: all rows, then level by
       level in parentheses the sums of neighbouring pairs, joined with +; at an odd level the
       last entry moves up as it is. The last level written has two entries: their sum is the
       answer. A sum is as wide as its last row.
rows   `row 0 + row 1 + ... + row m-1`: no sum is written but the answer.

A step is a row with the sum behind it, if there is one, up to the next `+`; in a tree, an entry of
a level. The answer has n + m digits.

In the share `zeros` of the problems many digits are 0, so that some rows are zero: there, sums of
two and three numbers can be learnt on the way to sums of more.
"""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import reduce
from itertools import chain, product
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, field_validator

from icot_tui.data.tasks.base import (
    ZERO,
    Digits,
    Problems,
    Symbols,
    Task,
    TaskOptions,
    add,
    check_options,
    from_text,
    line_matrix,
    literal,
    times_digit,
    to_int,
    widen,
)
from icot_tui.data.tasks.space import (
    ProblemSpace,
    first_places,
    order_free_keys,
    row_keys,
    sample_mix,
)
from icot_tui.errors import UserError

MOST_DIGITS = 64
ZERO_CHANCE = 0.15, 0.45
"""In the share `zeros`: of each digit of a, and of b, but the highest."""
Size = tuple[int, int]


def _split_sizes(value: object) -> object:
    """`4x4`, `2x2,3x2`, `1-20x1-20` or a list of such -> pairs of numbers."""
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError("write a size such as '4x4', or a list of sizes")
    sizes = [_sizes(text) if isinstance(text, str) else [text] for text in texts]
    return list(chain.from_iterable(sizes))


def _sizes(text: str) -> list[Size]:
    """`4x4`, or all of a range such as `1-3x2`."""
    number = r"\s*([0-9]{1,3})(?:\s*-\s*([0-9]{1,3}))?\s*"
    match = re.fullmatch(f"{number}[xX×*]{number}", text)
    if not match:
        raise ValueError(f"'{text}' is no size such as '4x4' (digits of both factors), or '1-20x4'")
    n, last_n, m, last_m = (None if group is None else int(group) for group in match.groups())
    assert n is not None and m is not None
    return list(product(range(n, (last_n or n) + 1), range(m, (last_m or m) + 1)))


def _share(value: object) -> object:
    """`5%` -> 0.05."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?%", value):
        raise ValueError("write a share of the problems such as '5%'")
    return float(value.removesuffix("%")) / 100


class MultiplicationOptions(TaskOptions):
    """Sizes of the factors, one or several, how the chain is written, and the share with zeros."""

    digits: Annotated[tuple[Size, ...], BeforeValidator(_split_sizes)] = ((4, 4),)
    format: Literal["long", "tree", "rows"] = "long"
    zeros: Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)] = 0.0

    @field_validator("digits")
    @classmethod
    def sizes(cls, sizes: tuple[Size, ...]) -> tuple[Size, ...]:
        if not sizes:
            raise ValueError("a range of digits ends before it begins")
        if any(not 1 <= n <= MOST_DIGITS for size in sizes for n in size):
            raise ValueError(f"a factor has 1 to {MOST_DIGITS} digits")
        if len(set(sizes)) < len(sizes):
            raise ValueError("the same size stands there twice")
        return sizes


class Multiplication(Task):
    """A problem is a row: n, m, the digits of a and the digits of b, each filled up with zeros."""

    name = "multiplication"
    alphabet = "()*+0123456789"
    step_ends = "+"

    def __init__(self, options: Mapping[str, object]) -> None:
        checked = check_options(MultiplicationOptions, self.name, options)
        self._sizes = checked.digits
        self._chain = CHAINS[checked.format]
        if checked.format == "tree":
            self.step_ends = "+("
        self._widest = max(n for n, _ in self._sizes)
        self._row_width = 2 + self._widest + max(m for _, m in self._sizes)
        sizes = [f"{n}x{m}" for n, m in self._sizes]
        self._zeros = checked.zeros
        self.options = checked.model_dump() | {"digits": sizes}
        if not self._zeros:  # so that texts that earlier versions cached are found
            del self.options["zeros"]
        self.spaces = [  # of exactly n and m digits: the highest, which stands last, is not 0
            ProblemSpace((0,) * (n - 1) + (1,) + (0,) * (m - 1) + (1,), (10,) * (n + m))
            for n, m in self._sizes
        ]

    @property
    def capacity(self) -> int | None:
        return None if self._zeros else super().capacity

    def sample(self, count: int, rng: np.random.Generator) -> Problems:
        if not self._zeros:
            return self._evenly(count, rng)
        streams, drawn = rng.spawn(2), count
        while True:
            even, zeros = deepcopy(streams)
            problems = self._with_zeros(self._evenly(drawn, even), zeros)
            problems = problems[first_places(row_keys(problems))]
            if len(problems) >= count:
                return problems[:count]
            drawn += 2 * (count - len(problems))

    def _with_zeros(self, problems: Problems, rng: np.random.Generator) -> Problems:
        """The problems, many digits of a share of them made zeros."""
        draws = rng.random(problems.shape)
        chosen = draws[:, :1] < self._zeros
        begin_b = 2 + self._widest
        for factor, columns in enumerate((slice(2, begin_b), slice(begin_b, None))):
            digits = problems[:, columns]
            lower = np.arange(digits.shape[1]) < problems[:, factor, None] - 1
            digits[chosen & lower & (draws[:, columns] < ZERO_CHANCE[factor])] = 0
        return problems

    def _evenly(self, count: int, rng: np.random.Generator) -> Problems:
        which, factors = sample_mix(self.spaces, count, rng)
        problems = np.zeros((count, self._row_width), dtype=np.uint8)
        for index, (size, rows) in enumerate(zip(self._sizes, factors, strict=True)):
            problems[which == index] = self._problems(size, rows)
        return problems

    def order_free_keys(self, problems: Problems) -> NDArray[np.uint64]:
        b_start = 2 + self._widest
        return order_free_keys([problems[:, 2:b_start], problems[:, b_start:]])

    def lines(self, problems: Problems) -> bytes:
        if len(self._sizes) == 1:
            return self._matrix(problems, self._sizes[0]).tobytes()
        matrices = [
            (group, self._matrix(problems[group], size))
            for size in self._sizes
            if len(group := np.flatnonzero((problems[:, :2] == size).all(axis=1)))
        ]
        ends = np.zeros(len(problems) + 1, dtype=np.int64)
        for group, matrix in matrices:
            ends[group + 1] = matrix.shape[1]
        ends = ends.cumsum()
        text = np.empty(ends[-1], dtype=np.uint8)
        for group, matrix in matrices:
            text[ends[group][:, None] + np.arange(matrix.shape[1])] = matrix
        return text.tobytes()

    def question(self, text: str) -> NDArray[np.uint8]:
        match = re.fullmatch(r"\s*([0-9]+)\s*[*x×·]\s*([0-9]+)\s*", text)
        if not match:
            raise UserError(f"'{text}' is no product: write it like 12*34")
        a, b = match[1], match[2]
        fitting = [(n, m) for n, m in self._sizes if n >= len(a) and m >= len(b)]
        if not fitting:
            known = " or ".join(f"{n}x{m}" for n, m in self._sizes)
            raise UserError(
                f"{a}*{b} has {len(a)}x{len(b)} digits, but the task has {known}: write numbers "
                "of at most that many digits"
            )
        size = min(fitting, key=sum)  # the rest are leading zeros
        digits = np.array([from_text(a.zfill(size[0])) + from_text(b.zfill(size[1]))], np.uint8)
        problem: NDArray[np.uint8] = self._problems(size, digits)[0]
        return problem

    def model_input(self, problem: NDArray[np.uint8]) -> str:
        a, b = self._factors(problem[None])
        return " ".join([*map(str, a[:, 0].tolist()), "*", *map(str, b[:, 0].tolist())])

    def true_answer(self, problem: NDArray[np.uint8]) -> str:
        a, b = self._factors(problem[None])
        return str(to_int(a[:, 0]) * to_int(b[:, 0]))

    def _problems(self, size: Size, factors: NDArray[np.uint8]) -> Problems:
        """[count, k] rows from [count, n + m] digits of a and b."""
        n, m = size
        problems = np.zeros((len(factors), self._row_width), dtype=np.uint8)
        problems[:, :2] = size
        problems[:, 2 : 2 + n] = factors[:, :n]
        problems[:, 2 + self._widest : 2 + self._widest + m] = factors[:, n:]
        return problems

    def _factors(self, problems: Problems) -> tuple[Digits, Digits]:
        """([n, count], [m, count]) of problems of one size."""
        n, m = problems[0, :2].tolist()
        b_start = 2 + self._widest
        return problems[:, 2 : 2 + n].T.copy(), problems[:, b_start : b_start + m].T.copy()

    def _matrix(self, problems: Problems, size: Size) -> NDArray[np.uint8]:
        """[count, W] the lines of problems of one size."""
        a, b = self._factors(problems)
        rows = [
            widen(times_digit(a, digit), len(a) + 1 + place, shift=place)
            for place, digit in enumerate(b)
        ]
        cot, product = self._chain(rows)
        star = literal("*", len(problems))
        x = np.concatenate([a + ZERO, star, b + ZERO])
        return line_matrix(x, cot, widen(product, sum(size)) + ZERO)


def running_sums(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """[K, N] ĉ_k = sum over i + j = k of a_i b_j, plus floor(ĉ_(k-1) / 10) (arXiv 2510.00184).

    Of factors with the digits a [n, N] and b [m, N], lowest first.
    """
    sums = np.zeros((len(a) + len(b), a.shape[1]), dtype=np.int64)
    for k in range(len(sums)):
        for i in range(max(0, k - len(b) + 1), min(k + 1, len(a))):
            sums[k] += a[i] * b[k - i]
        if k:
            sums[k] += sums[k - 1] // 10
    return sums


def _long_chain(rows: list[Digits]) -> tuple[Symbols, Digits]:
    """The papers' chain of thought, and the product."""
    plus, opening, closing = (literal(symbol, rows[0].shape[1]) for symbol in "+()")
    total = rows[0]
    chain = [total + ZERO]
    for place, row in enumerate(rows[1:], start=1):
        total = add(total, row, len(row))
        chain += [plus, row + ZERO]
        if place < len(rows) - 1:
            chain += [opening, total + ZERO, closing]
    return np.concatenate(chain), total


def _tree_chain(rows: list[Digits]) -> tuple[Symbols, Digits]:
    """All rows, then each level's pairwise sums, and the product."""
    opening, closing = (literal(symbol, rows[0].shape[1]) for symbol in "()")
    chain = [_joined(rows)]
    level = rows
    while len(level) > 2:
        level = _pairwise(level)
        chain += [opening, _joined(level), closing]
    return np.concatenate(chain), _pairwise(level)[0]


def _rows_chain(rows: list[Digits]) -> tuple[Symbols, Digits]:
    """All rows, and the product."""
    return _joined(rows), reduce(lambda total, row: add(total, row, len(row)), rows)


def _pairwise(level: list[Digits]) -> list[Digits]:
    sums = [add(a, b, len(b)) for a, b in zip(level[::2], level[1::2], strict=False)]
    return sums + level[2 * len(sums) :]


def _joined(numbers: list[Digits]) -> Symbols:
    plus = literal("+", numbers[0].shape[1])
    parts = [part for number in numbers for part in (plus, number + ZERO)]
    return np.concatenate(parts[1:])


CHAINS: dict[str, Callable[[list[Digits]], tuple[Symbols, Digits]]] = {
    "long": _long_chain,
    "tree": _tree_chain,
    "rows": _rows_chain,
}
