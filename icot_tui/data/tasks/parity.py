"""Parity of a row of bits; the running parity is the chain of thought.

`1 0 1 1||1 1 0 #### 1`: after each bit whether the number of ones so far is odd; the last one is
the answer. Every running parity is a step.
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


class ParityOptions(TaskOptions):
    """How many bits."""

    bits: Annotated[int, Field(ge=2, le=256)] = 12


class Parity(Task):
    """A problem is a row of bits."""

    name = "parity"
    alphabet = step_ends = "01"

    def __init__(self, options: Mapping[str, object]) -> None:
        checked = check_options(ParityOptions, self.name, options)
        self._bits = checked.bits
        self.spaces = [ProblemSpace((0,) * self._bits, (2,) * self._bits)]
        self.options = checked.model_dump()

    def order_free_keys(self, problems: Problems) -> NDArray[np.uint64]:
        return row_keys(problems + np.uint8(1))  # another order has other running parities

    def lines(self, problems: Problems) -> bytes:
        running = np.bitwise_xor.accumulate(problems.T, axis=0) + ZERO
        return line_matrix(problems.T + ZERO, running[:-1], running[-1:]).tobytes()

    def question(self, text: str) -> NDArray[np.uint8]:
        bits = re.sub(r"\s", "", text)
        if not re.fullmatch(f"[01]{{{self._bits}}}", bits):
            raise UserError(f"'{text}' is no row of {self._bits} bits: write only 0 and 1")
        return np.array(list(map(int, bits)), dtype=np.uint8)

    def model_input(self, problem: NDArray[np.uint8]) -> str:
        return " ".join(map(str, problem.tolist()))

    def true_answer(self, problem: NDArray[np.uint8]) -> str:
        return str(int(problem.sum()) % 2)

    def human_input(self, text: str, /) -> str:
        return text

    human_cot = human_answer = human_input
