"""What all generated tasks share: their interface, their options, and arithmetic on digits."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from icot_tui.data.tasks.space import ENUMERABLE, ProblemSpace
from icot_tui.errors import UserError

Problems = NDArray[np.uint8]
Symbols = NDArray[np.uint8]
"""[S, n] ASCII codes: symbol s of each of n problems."""
Digits = NDArray[np.uint8]
"""[w, n] digit i of each of n numbers, lowest first, so that no number is too long."""
ZERO = np.uint8(ord("0"))


class Task(ABC):
    """A family of problems, with the text that the papers' format makes of them.

    A problem is one row of small integers, k of them.

    name      as written in data.task
    alphabet  every character but the blank that a line's spans can hold
    step_ends  symbols that each end a step of the chain of thought
    options   the checked options with their defaults, in plain values: they name the cached text
    spaces    all problems
    """

    name: ClassVar[str]
    alphabet: str
    step_ends: str
    options: Mapping[str, object]
    spaces: list[ProblemSpace]

    @property
    def capacity(self) -> int | None:
        """Number of distinct problems; None where they are too many to list."""
        total = sum(space.size for space in self.spaces)
        return total if total <= ENUMERABLE else None

    def sample(self, count: int, rng: np.random.Generator) -> Problems:
        """[count, k] distinct problems, shuffled; the first ones do not depend on `count`.

        Raises:
            UserError: there are fewer.
        """
        (space,) = self.spaces
        return space.sample(count, rng)

    @abstractmethod
    def order_free_keys(self, problems: Problems) -> NDArray[np.uint64]:
        """[n] equal for problems that are the same up to the order of what commutes.

        12 * 34 and 34 * 12 have the same key: the answer of one gives away the other's. A problem
        has the same key in tasks with other options.
        """

    @abstractmethod
    def lines(self, problems: Problems) -> bytes:
        """The text lines of [n, k] problems, each ended by a newline."""

    @abstractmethod
    def question(self, text: str) -> NDArray[np.uint8]:
        """[k] the problem that a person wrote, such as `12*34`.

        Raises:
            UserError: it cannot be read, or this task has no such problem.
        """

    @abstractmethod
    def model_input(self, problem: NDArray[np.uint8]) -> str:
        """The input x in the model's own form, such as `2 1 * 4 3`."""

    @abstractmethod
    def true_answer(self, problem: NDArray[np.uint8]) -> str:
        """The right answer as a person writes it."""

    def human_input(self, x: str, /) -> str:
        """An input of the model's form as a person writes it: `2 1 * 4 3` -> `12 * 34`."""
        return human_numbers(x)

    def human_cot(self, z: str, /) -> str:
        """A chain of thought of the model's form with its numbers as a person writes them."""
        return human_numbers(z)

    def human_answer(self, y: str, /) -> str:
        """An answer of the model's form as a person writes it: `8 0 4` -> `408`.

        Text that is not an answer of this form is returned unchanged.
        """
        return human_number(y)


class TaskOptions(BaseModel):
    """Base of a task's options; unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyOptions = TypeVar("AnyOptions", bound=TaskOptions)


def check_options(model: type[AnyOptions], task: str, options: Mapping[str, object]) -> AnyOptions:
    """The options as a checked model; a UserError names the first wrong one and what it may be."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = f".{first['loc'][0]}" if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(model.model_fields))
            raise UserError(f"data.options{key}: the task {task} has only {known}") from error
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(f"data.options{key} of the task {task}: {reason}") from error


def line_matrix(x: Symbols, z: Symbols, y: Symbols) -> NDArray[np.uint8]:
    """[n, W] the text lines of n problems whose spans have the same number of symbols."""
    end, mark, newline = (literal(text, x.shape[1]).T for text in ("||", " #### ", "\n"))
    parts = [_spaced(x), end, _spaced(z), mark, _spaced(y), newline]
    return np.concatenate(parts, axis=1)


def literal(text: str, count: int) -> Symbols:
    """[len(text), count] the same symbols for all problems."""
    return np.repeat(np.frombuffer(text.encode(), dtype=np.uint8)[:, None], count, axis=1)


def human_number(digits: str) -> str:
    """`8 0 4` -> `408`, lowest digit first made highest first; other text stays as it is."""
    if not re.fullmatch(r"[0-9](?: [0-9])*", digits):
        return digits
    return digits.replace(" ", "")[::-1].lstrip("0") or "0"


def human_numbers(text: str) -> str:
    """`human_number` for each run of digits, all else as it is."""
    return re.sub(r"[0-9](?: [0-9])*", lambda match: human_number(match[0]), text)


def _spaced(symbols: Symbols) -> NDArray[np.uint8]:
    """[n, 2 S - 1] the symbols with single blanks between them."""
    count, problems = symbols.shape
    text = np.full((problems, max(2 * count - 1, 0)), ord(" "), dtype=np.uint8)
    text[:, ::2] = symbols.T
    return text


def widen(number: Digits, width: int, shift: int = 0) -> Digits:
    """[width, n] the numbers times 10^shift, filled up with zeros at the high end."""
    wide = np.zeros((width, number.shape[1]), dtype=np.uint8)
    wide[shift : shift + len(number)] = number
    return wide


def times_digit(number: Digits, digit: NDArray[np.uint8]) -> Digits:
    """[w + 1, n] each number times its own digit ([n])."""
    product = np.empty((len(number) + 1, number.shape[1]), dtype=np.uint8)
    carry = np.zeros_like(digit)
    for place, factor in enumerate(number):
        total = factor * digit + carry  # 9 * 9 + 8 fits
        carry = total // np.uint8(10)
        product[place] = total - carry * np.uint8(10)
    product[-1] = carry
    return product


def add(first: Digits, second: Digits, width: int) -> Digits:
    """[width, n] the sums; `width` must hold them."""
    result = np.empty((width, first.shape[1]), dtype=np.uint8)
    carry = np.zeros(first.shape[1], dtype=np.uint8)
    for place in range(width):
        total = carry.copy()
        for number in (first, second):
            if place < len(number):
                total += number[place]
        carry = (total >= 10).astype(np.uint8)
        result[place] = total - carry * np.uint8(10)
    assert not carry.any(), "the sum is wider than its place"
    return result


def to_int(digits: NDArray[np.uint8]) -> int:
    """The value of one number ([w])."""
    return int("".join(map(str, digits[::-1].tolist())))


def from_text(text: str) -> list[int]:
    """The digits of a written number, lowest first."""
    return [int(digit) for digit in reversed(text)]
