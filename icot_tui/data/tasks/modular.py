"""Chained arithmetic modulo a small number; every intermediate result is the chain of thought.

Evaluated strictly from left to right, each result modulo p: with p = 7
`3 + 5 * 2 - 4||1 2 #### 5` is 3 + 5 = 1, 1 * 2 = 2, 2 - 4 = 5. The last result is the answer.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from icot_tui.data.tasks.base import ZERO, Problems, Task, TaskOptions, check_options, line_matrix
from icot_tui.data.tasks.space import ProblemSpace, row_keys
from icot_tui.errors import UserError

OPERATORS = "+-*"


class ModularOptions(TaskOptions):
    """How many operations, modulo what; one digit holds a result."""

    steps: Annotated[int, Field(ge=2, le=100)] = 4
    modulus: Annotated[int, Field(ge=2, le=10)] = 7


class Modular(Task):
    """A problem is a row: number, operator, number, ...; an operator is its place in `+-*`."""

    name = "modular"

    def __init__(self, options: Mapping[str, object]) -> None:
        checked = check_options(ModularOptions, self.name, options)
        self._steps, self._modulus = checked.steps, checked.modulus
        high = (self._modulus, *(len(OPERATORS), self._modulus) * self._steps)
        self.spaces = [ProblemSpace((0,) * len(high), high)]
        self.options = checked.model_dump()
        self.alphabet = "*+-" + "0123456789"[: self._modulus]
        self.step_ends = "0123456789"

    def order_free_keys(self, problems: Problems) -> NDArray[np.uint64]:
        return row_keys(problems)  # evaluated from left to right: every order counts

    def lines(self, problems: Problems) -> bytes:
        x = problems.T + ZERO
        x[1::2] = np.frombuffer(OPERATORS.encode(), dtype=np.uint8)[problems.T[1::2]]
        results = self._results(problems)
        return line_matrix(x, results[:-1] + ZERO, results[-1:] + ZERO).tobytes()

    def question(self, text: str) -> NDArray[np.uint8]:
        symbols = re.findall(r"\S", text)
        expected = f"[0-9](?:[{re.escape(OPERATORS)}][0-9]){{{self._steps}}}"
        if not re.fullmatch(expected, "".join(symbols)):
            raise UserError(
                f"'{text}' is no chain of {self._steps} operations: write it like "
                f"{'+'.join('1' * (self._steps + 1))}, with one-digit numbers and + - *"
            )
        problem = [OPERATORS.find(s) if i % 2 else int(s) for i, s in enumerate(symbols)]
        if max(problem[::2]) >= self._modulus:
            raise UserError(f"all numbers must be below the modulus {self._modulus}")
        return np.array(problem, dtype=np.uint8)

    def model_input(self, problem: NDArray[np.uint8]) -> str:
        return " ".join(OPERATORS[v] if i % 2 else str(v) for i, v in enumerate(problem.tolist()))

    def true_answer(self, problem: NDArray[np.uint8]) -> str:
        return str(self._results(problem[None])[-1, 0])

    def human_input(self, text: str, /) -> str:
        return text  # every number has one digit

    human_cot = human_answer = human_input

    def _results(self, problems: Problems) -> NDArray[np.uint8]:
        """[steps, n] the result of each operation; every value on the way fits 8 bits."""
        modulus = np.uint8(self._modulus)
        results = np.empty((self._steps, len(problems)), dtype=np.uint8)
        value = problems[:, 0]
        for step in range(self._steps):
            operator, number = problems[:, 2 * step + 1], problems[:, 2 * step + 2]
            choices = [value + number, value + modulus - number, value * number]
            value = np.choose(operator, choices) % modulus
            results[step] = value
        return results
