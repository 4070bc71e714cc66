"""Reachability among concepts, in ProsQA's manner; the path is the chain of thought.

Facts `a b .` say that every a is a b, in any order. They make up two trees of as many concepts,
and the question names the root of one and a concept of each, both so many hops below their roots:
`c d . a b . e f . b g . d h . f i . a ? i g||a b . b g . #### g` asks whether an a is an i or a g.
Only the path tells: nothing else sets the two apart. A fact of the path is a step.
"""

import re
import string
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from icot_tui.data.tasks.base import (
    Problems,
    Task,
    TaskOptions,
    check_options,
    line_matrix,
    literal,
)
from icot_tui.data.tasks.space import row_keys, sample_distinct
from icot_tui.errors import UserError

CONCEPTS = string.ascii_letters
CODES = np.frombuffer(CONCEPTS.encode(), dtype=np.uint8)


class GraphOptions(TaskOptions):
    """Hops from the root to the answer, concepts of each of the two trees, and names for them.

    Trees of `hops + 1` concepts have no branches.
    """

    hops: Annotated[int, Field(ge=1, le=12)] = 3
    tree: Annotated[int, Field(ge=2, le=26)] = 4
    names: Annotated[int, Field(ge=4, le=len(CONCEPTS))] = 26

    @model_validator(mode="after")
    def fits(self) -> "GraphOptions":
        if self.tree <= self.hops:
            raise ValueError(f"a path of {self.hops} hops needs tree = {self.hops + 1} or more")
        if self.names < 2 * self.tree:
            raise ValueError(f"two trees of {self.tree} concepts need as many names or more")
        return self


class Graph(Task):
    """A problem is a row: the facts as pairs of concepts, the root, and the two to choose from."""

    name = "graph"
    step_ends = "."

    def __init__(self, options: Mapping[str, object]) -> None:
        checked = check_options(GraphOptions, self.name, options)
        self._hops, self._tree, self._names = checked.hops, checked.tree, checked.names
        self._facts = 2 * (self._tree - 1)
        self.spaces = []
        self.options = checked.model_dump()
        self.alphabet = CONCEPTS[: self._names] + ".?"

    @property
    def capacity(self) -> None:
        return None

    def sample(self, count: int, rng: np.random.Generator) -> Problems:
        return sample_distinct(lambda n: self._drawn(n, rng), row_keys, count)

    def _drawn(self, count: int, rng: np.random.Generator) -> Problems:
        """[count, k] trees in which concept i > hops hangs below any concept before it."""
        parents = np.empty((count, 2, self._tree - 1), dtype=np.int64)
        for child in range(1, self._tree):
            parents[..., child - 1] = (
                child - 1 if child <= self._hops else rng.integers(0, child, (count, 2))
            )
        children = np.broadcast_to(np.arange(1, self._tree), parents.shape)
        facts = np.stack([parents, children], axis=-1)
        facts[:, 1] += self._tree
        facts = facts.reshape(count, self._facts, 2)
        order = rng.random((count, self._facts)).argsort(axis=1)
        facts = np.take_along_axis(facts, order[..., None], axis=1)
        ends = np.array([self._hops, self._tree + self._hops])
        ends = np.where(rng.random((count, 1)) < 0.5, ends, ends[::-1])
        root = np.zeros((count, 1), dtype=np.int64)
        places = np.concatenate([facts.reshape(count, -1), root, ends], axis=1)
        names = rng.random((count, self._names)).argsort(axis=1)
        return np.take_along_axis(names, places, axis=1).astype(np.uint8)

    def order_free_keys(self, problems: Problems) -> NDArray[np.uint64]:
        """Equal whatever the order of facts, and of the two concepts to choose from."""
        facts = problems[:, :-3].astype(np.uint16)
        pairs = np.sort(facts[:, ::2] * np.uint16(256) + facts[:, 1::2], axis=1)
        rest = [problems[:, -3:-2], np.sort(problems[:, -2:], axis=1)]
        split = [(pairs >> 8).astype(np.uint8), (pairs & 255).astype(np.uint8)]
        return row_keys(np.concatenate([*split, *rest], axis=1) + np.uint8(1))

    def lines(self, problems: Problems) -> bytes:
        count = len(problems)
        path = self._paths(problems)
        facts, root, ends = problems[:, :-3], problems[:, -3:-2], problems[:, -2:]
        mark, dots = literal("?", count), literal(".", count)
        x = [*sentences(facts, dots), CODES[root.T], mark, CODES[ends.T]]
        steps = np.stack([path[:, :-1], path[:, 1:]], axis=-1).reshape(count, -1)
        z = np.concatenate(sentences(steps, dots))
        return line_matrix(np.concatenate(x), z, CODES[path[:, -1:].T]).tobytes()

    def _paths(self, problems: Problems) -> NDArray[np.uint8]:
        """[n, hops + 1] the concepts from the root to the one of the two that is below it."""
        count = len(problems)
        facts, every = problems[:, :-3], np.arange(count)[:, None]
        parent = np.full((count, len(CONCEPTS)), 255, dtype=np.uint8)
        parent[every, facts[:, 1::2]] = facts[:, ::2]
        ways = [problems[:, -2:]]  # [n, 2], from the two upwards
        for _ in range(self._hops):
            ways.append(parent[every, ways[-1]])
        second = ways[-1][:, 1] == problems[:, -3]
        return np.stack([np.where(second, way[:, 1], way[:, 0]) for way in reversed(ways)], axis=1)

    def question(self, text: str) -> NDArray[np.uint8]:
        symbols = re.findall(r"\S", text)
        facts = r"(?:[a-zA-Z]{2}\.)" + f"{{{self._facts}}}"
        if not re.fullmatch(facts + r"[a-zA-Z]\?[a-zA-Z]{2}", "".join(symbols)):
            raise UserError(
                f"'{text}' is no question of this task: write {self._facts} facts like 'a b .', "
                "then the root, '?' and the two concepts to choose from"
            )
        problem = np.array([CONCEPTS.index(s) for s in symbols if s not in ".?"], dtype=np.uint8)
        self._check(problem, text)
        return problem

    def _check(self, problem: NDArray[np.uint8], text: str) -> None:
        """Refuse concepts without a name, and a question whose answer is not exactly one."""
        parent = dict(zip(problem[1:-3:2].tolist(), problem[:-3:2].tolist(), strict=True))
        reached = []
        for end in problem[-2:].tolist():
            for _ in range(self._hops):
                end = parent.get(end, -1)
            reached.append(end == problem[-3])
        known = max(problem.tolist()) < self._names and len(parent) == self._facts
        if not known or sum(reached) != 1:
            raise UserError(
                f"'{text}' has no one answer: one of the two concepts, and not both, must be "
                f"{self._hops} facts below the root, each concept below one other, and all "
                f"concepts among {CONCEPTS[: self._names]}"
            )

    def model_input(self, problem: NDArray[np.uint8]) -> str:
        return self.lines(problem[None]).decode().partition("||")[0]

    def true_answer(self, problem: NDArray[np.uint8]) -> str:
        return CONCEPTS[self._paths(problem[None])[0, -1]]

    def human_input(self, text: str, /) -> str:
        return text

    human_cot = human_answer = human_input


def sentences(pairs: NDArray[np.uint8], dots: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Symbols `a b .` for each pair of [n, 2 p] concepts."""
    symbols = CODES[pairs.T]
    return [part for at in range(0, len(symbols), 2) for part in (symbols[at : at + 2], dots)]
