"""A function applied several times, given as a table; the results on the way are the chain.

Facts `a c .` say that a goes to c, in any order; every name goes to another place, so that all are
reached. With three hops, `b a . a c . c b . ? a||c b #### a` follows a to c, to b, and to a. Every
result is a step.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from icot_tui.data.tasks.base import (
    Problems,
    Task,
    TaskOptions,
    check_options,
    line_matrix,
    literal,
)
from icot_tui.data.tasks.graph import CODES, CONCEPTS, sentences
from icot_tui.data.tasks.space import row_keys, sample_distinct
from icot_tui.errors import UserError


class HopsOptions(TaskOptions):
    """How often the function is applied, and how many names its table has."""

    hops: Annotated[int, Field(ge=2, le=32)] = 3
    names: Annotated[int, Field(ge=3, le=len(CONCEPTS))] = 8


class Hops(Task):
    """A problem is a row: the facts as pairs of names, and the name to begin with."""

    name = "hops"

    def __init__(self, options: Mapping[str, object]) -> None:
        checked = check_options(HopsOptions, self.name, options)
        self._hops, self._names = checked.hops, checked.names
        self.spaces = []
        self.options = checked.model_dump()
        self.step_ends = CONCEPTS[: self._names]
        self.alphabet = self.step_ends + ".?"

    @property
    def capacity(self) -> None:
        return None

    def sample(self, count: int, rng: np.random.Generator) -> Problems:
        def drawn(rows: int) -> Problems:
            names, images = rng.random((2, rows, self._names)).argsort(axis=2)
            facts = np.stack([names, images], axis=2).reshape(rows, -1)
            start = rng.integers(0, self._names, (rows, 1))
            return np.concatenate([facts, start], axis=1).astype(np.uint8)

        return sample_distinct(drawn, row_keys, count)

    def order_free_keys(self, problems: Problems) -> NDArray[np.uint64]:
        """Equal whatever the order of facts."""
        hops = np.full((len(problems), 1), self._hops)
        table = [self._table(problems), problems[:, -1:], hops]
        return row_keys((np.concatenate(table, axis=1) + 1).astype(np.uint8))

    def lines(self, problems: Problems) -> bytes:
        mark, dots = (literal(symbol, len(problems)) for symbol in "?.")
        x = [*sentences(problems[:, :-1], dots), mark, CODES[problems[:, -1:].T]]
        results = CODES[self._results(problems)]
        return line_matrix(np.concatenate(x), results[:-1], results[-1:]).tobytes()

    def question(self, text: str) -> NDArray[np.uint8]:
        symbols = re.findall(r"\S", text)
        facts = f"(?:[a-zA-Z]{{2}}\\.){{{self._names}}}"
        problem = [CONCEPTS.index(symbol) for symbol in symbols if symbol in CONCEPTS]
        every = list(range(self._names))
        whole = re.fullmatch(facts + r"\?[a-zA-Z]", "".join(symbols))
        if not whole or any(sorted(problem[at:-1:2]) != every for at in (0, 1)):
            raise UserError(
                f"'{text}' is no question of this task: write {self._names} facts like 'a b .', "
                f"with each of {self.step_ends} once on either side, then '?' and one of them"
            )
        return np.array(problem, dtype=np.uint8)

    def model_input(self, problem: NDArray[np.uint8]) -> str:
        return self.lines(problem[None]).decode().partition("||")[0]

    def true_answer(self, problem: NDArray[np.uint8]) -> str:
        return CONCEPTS[self._results(problem[None])[-1, 0]]

    def human_input(self, text: str, /) -> str:
        return text

    human_cot = human_answer = human_input

    def _table(self, problems: Problems) -> NDArray[np.uint8]:
        """[n, names] where each name goes."""
        table = np.empty((len(problems), self._names), dtype=np.uint8)
        np.put_along_axis(table, problems[:, :-1:2].astype(np.int64), problems[:, 1::2], axis=1)
        return table

    def _results(self, problems: Problems) -> NDArray[np.uint8]:
        """[hops, n] where each hop arrives."""
        table, every = self._table(problems), np.arange(len(problems))
        results = [problems[:, -1]]
        for _ in range(self._hops):
            results.append(table[every, results[-1]])
        return np.stack(results[1:])
