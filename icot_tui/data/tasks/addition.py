"""Sums of several numbers; the running sums are the chain of thought.

All operands have as many digits, lowest first, blanks between all symbols:
`2 1 + 4 3 + 9 9||( 6 4 0 ) #### 5 4 1` is 12 + 34 + 99 = 46 + 99 = 145. Each running sum but the
last, which is the answer, stands in parentheses; all are written with the same width.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from icot_tui.data.tasks.base import (
    ZERO,
    Problems,
    Task,
    TaskOptions,
    add,
    check_options,
    from_text,
    line_matrix,
    literal,
    to_int,
)
from icot_tui.data.tasks.space import ProblemSpace, order_free_keys
from icot_tui.errors import UserError


class AdditionOptions(TaskOptions):
    """How many numbers, of how many digits each."""

    operands: Annotated[int, Field(ge=3, le=50)] = 4
    digits: Annotated[int, Field(ge=1, le=64)] = 3


class Addition(Task):
    """A problem is a row: the digits of one operand after the other."""

    name = "addition"
    alphabet = "()+0123456789"
    step_ends = ")"

    def __init__(self, options: Mapping[str, object]) -> None:
        checked = check_options(AdditionOptions, self.name, options)
        self._operands, self._digits = checked.operands, checked.digits
        self._width = self._digits + len(str(self._operands - 1))
        operand = (0,) * (self._digits - 1) + (1,)
        high = (10,) * (self._digits * self._operands)
        self.spaces = [ProblemSpace(operand * self._operands, high)]
        self.options = checked.model_dump()

    def order_free_keys(self, problems: Problems) -> NDArray[np.uint64]:
        return order_free_keys(np.split(problems, self._operands, axis=1))

    def lines(self, problems: Problems) -> bytes:
        plus, opening, closing = (literal(symbol, len(problems)) for symbol in "+()")
        first, *others = np.split(problems.T, self._operands)
        total, x, cot = first, [first + ZERO], []
        for operand in others:
            total = add(total, operand, self._width)
            x += [plus, operand + ZERO]
            cot += [opening, total + ZERO, closing]
        return line_matrix(np.concatenate(x), np.concatenate(cot[:-3]), total + ZERO).tobytes()

    def question(self, text: str) -> NDArray[np.uint8]:
        numbers = [number.strip() for number in text.split("+")]
        if not all(re.fullmatch("[0-9]+", number) for number in numbers):
            raise UserError(f"'{text}' is no sum: write it like 12+34+56")
        if len(numbers) != self._operands or any(len(n) > self._digits for n in numbers):
            raise UserError(
                f"the task adds {self._operands} numbers of {self._digits} digits: write as many, "
                "of at most that many digits"
            )
        padded = [from_text(number.zfill(self._digits)) for number in numbers]
        return np.array([digit for number in padded for digit in number], dtype=np.uint8)

    def model_input(self, problem: NDArray[np.uint8]) -> str:
        operands = problem.reshape(self._operands, self._digits).tolist()
        return " + ".join(" ".join(map(str, operand)) for operand in operands)

    def true_answer(self, problem: NDArray[np.uint8]) -> str:
        return str(sum(to_int(operand) for operand in np.split(problem, self._operands)))
