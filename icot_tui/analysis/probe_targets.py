"""What may be hidden: chain-of-thought tokens, running sums, answer digits (method, section 6).

Each target also says in which columns reading it counts, and what the answer should become when
its value is taken from another example.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.data.encoding import decode_example
from icot_tui.data.tasks import Task

Kind = Literal["token", "sum", "digit"]
Pairs = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Effect:
    """What happens to the answer where a target's value comes from another example.

    digit      the answer digit c_k to look at: the first one that the target has a part in
    predicted  ([n] examples, [n] sources) -> [n] the token that c_k should become
    """

    digit: int
    predicted: Pairs


@dataclass(frozen=True, eq=False)
class Target:
    """One thing that may be read at a place.

    name         z3, ĉ2, c1: counted as in the method's text, tokens from 1 and digits from 0
    kind         token: a hidden chain-of-thought token; sum: a running sum; digit: of the answer
    values       [N] classes from 0, or the running sum itself
    classes      texts of the classes; empty for a sum
    last_column  the last aligned column in which reading it counts: what is fed up to there
                 tells neither the token nor the digit, nor anything that comes after it
    place        index in the chain of thought, or of the answer digit
    effect       None where the task does not say what the answer should become
    """

    name: str
    kind: Kind
    values: NDArray[np.int64]
    classes: tuple[str, ...]
    last_column: int
    place: int
    effect: Effect | None

    @property
    def constant(self) -> bool:
        """Is it the same in all examples? Then there is nothing to read."""
        return bool((self.values == self.values[0]).all())

    @property
    def words(self) -> str:
        """The target in words."""
        match self.kind:
            case "token":
                return f"hidden token {self.place + 1} of the chain of thought"
            case "sum":
                return f"the running sum before answer digit {self.place}"
            case "digit":
                return f"answer digit {self.place} (lowest first)"


def find_targets(model: LoadedModel, aligned: AlignedExamples) -> list[Target]:
    """All targets that are not the same in every example: tokens, digits, then running sums."""
    found = [*_tokens(model, aligned), *_digits(model, aligned), *_sums(model, aligned)]
    return [target for target in found if not target.constant]


def _tokens(model: LoadedModel, aligned: AlignedExamples) -> list[Target]:
    split = aligned.split
    begin = split.starts[:-1] + split.prompt_lengths
    effects = _Effects(model, aligned)
    targets = []
    for place in aligned.hidden:
        ids = split.tokens[begin + place].astype(np.int64)
        values, classes = _classes(model, ids)
        last = _last_column(aligned, place)
        targets.append(
            Target(
                name=f"z{place + 1}",
                kind="token",
                values=values,
                classes=classes,
                last_column=last,
                place=place,
                effect=effects.token(place),
            )
        )
    return targets


def _last_column(aligned: AlignedExamples, place: int) -> int:
    """Before the first column after the token's own place in which anything is told."""
    first = aligned.separator + 1 + sum(kept < place for kept in aligned.kept)
    told = np.flatnonzero(aligned.varies[first:])
    return int(first + told[0] - 1) if len(told) else len(aligned.names) - 1


def _sums(model: LoadedModel, aligned: AlignedExamples) -> list[Target]:
    factors = _factors(model, aligned)
    if factors is None:
        return []
    sums, targets = running_sums(*factors), []
    effects = _Effects(model, aligned)
    for k in range(min(len(sums), aligned.digits)):
        effect = effects.becomes(k, sums[k] % 10)
        last = aligned.answer + k - 1
        targets.append(
            Target(
                name=f"ĉ{k}",
                kind="sum",
                values=sums[k],
                classes=(),
                last_column=last,
                place=k,
                effect=effect,
            )
        )
    return targets


def _digits(model: LoadedModel, aligned: AlignedExamples) -> list[Target]:
    targets = []
    for k in range(aligned.digits):
        ids = aligned.answer_tokens(k)
        values, classes = _classes(model, ids)
        effect = Effect(k, _taken(ids))
        last = aligned.answer + k - 1
        targets.append(
            Target(
                name=f"c{k}",
                kind="digit",
                values=values,
                classes=classes,
                last_column=last,
                place=k,
                effect=effect,
            )
        )
    return targets


def _taken(ids: NDArray[np.int64]) -> Pairs:
    return lambda base, source: ids[source]


def _classes(
    model: LoadedModel, ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    known, values = np.unique(ids, return_inverse=True)
    return values.reshape(-1), tuple(map(model.token_text, known.tolist()))


def running_sums(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """[K, N] ĉ_k = sum over i + j = k of a_i b_j, plus floor(ĉ_(k-1) / 10) (method, section 6).

    Args:
        a, b: [n, N] and [m, N] digits, lowest first.
    """
    sums = np.zeros((len(a) + len(b), a.shape[1]), dtype=np.int64)
    for k in range(len(sums)):
        for i in range(max(0, k - len(b) + 1), min(k + 1, len(a))):
            sums[k] += a[i] * b[k - i]
        if k:
            sums[k] += sums[k - 1] // 10
    return sums


def _factors(
    model: LoadedModel, aligned: AlignedExamples
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """([n, N], [m, N]) digits of the factors; None for another task, or of unlike sizes."""
    task = model.reader.task
    if task is None or task.name != "multiplication":
        return None
    texts = [_input(model, aligned, index).split(" * ") for index in range(len(aligned))]
    sides = [[tuple(map(int, text[side].split())) for text in texts] for side in (0, 1)]
    if any(len({len(number) for number in side}) > 1 for side in sides):
        return None
    a, b = (np.array(side, dtype=np.int64).T for side in sides)
    return a, b


def _input(model: LoadedModel, aligned: AlignedExamples, index: int) -> str:
    return decode_example(model.opened.tokenizer, aligned.split, index).input


class _Effects:
    """What the answer should become, as far as the task's arithmetic says it."""

    def __init__(self, model: LoadedModel, aligned: AlignedExamples) -> None:
        self._model, self._aligned = model, aligned
        self._task: Task | None = model.reader.task
        texts = {model.token_text(i): i for i in np.unique(aligned.tokens[:, aligned.answer :])}
        self._ids = np.array([texts.get(str(digit), -1) for digit in range(10)], dtype=np.int64)

    def becomes(self, digit: int, values: NDArray[np.int64]) -> Effect:
        """c_k becomes the source's `values`, digits [N]."""
        return Effect(digit, lambda base, source: self._ids[values[source]])

    def token(self, place: int) -> Effect | None:
        """For a chain-of-thought token."""
        if self._task is None:
            return None
        if self._task.name == "modular":
            return self._modular(place)
        return self._addend(place)

    def _addend(self, place: int) -> Effect | None:
        """Digits of sums and products, lowest first: each is added to the answer at its place.

        Whatever number of the chain a digit belongs to, a row or a running sum, the answer has
        that number as a part: with one more in the place of 10^j the answer is 10^j larger, and
        c_j, into which no lower digit's carry changes, one more (modulo 10).
        """
        digit = self._decimal_place(place)
        values = self._chain_digits(place)
        if digit is None or values is None or digit >= self._aligned.digits:
            return None
        answer = self._digits_of(self._aligned.answer_tokens(digit))
        if answer is None:
            return None

        def predicted(base: NDArray[np.int64], source: NDArray[np.int64]) -> NDArray[np.int64]:
            became: NDArray[np.int64] = (answer[base] + values[source] - values[base]) % 10
            tokens: NDArray[np.int64] = self._ids[became]
            return tokens

        return Effect(digit, predicted)

    def _decimal_place(self, place: int) -> int | None:
        """How many digits stand before it in its number; None where examples differ in that."""
        digits = 0
        while digits <= place:
            before = self._chain_digits(place - digits, partly=True)
            if before is None:
                return None
            if (before < 0).all():
                return digits - 1 if digits else None
            if (before < 0).any():
                return None
            digits += 1
        return digits - 1

    def _modular(self, place: int) -> Effect | None:
        """Later operations go on from the other result, modulo p."""
        values = self._chain_digits(place)
        if values is None:
            return None
        size = len(self._aligned)
        texts = [_input(self._model, self._aligned, index).split() for index in range(size)]
        modulus = int(str(self._task.options["modulus"]))  # type: ignore[union-attr]
        rest = [text[2 * place + 3 :] for text in texts]

        def predicted(base: NDArray[np.int64], source: NDArray[np.int64]) -> NDArray[np.int64]:
            results = [
                _go_on(int(values[from_]), rest[to], modulus)
                for to, from_ in zip(base.tolist(), source.tolist(), strict=True)
            ]
            return self._ids[np.array(results, dtype=np.int64)]

        return Effect(0, predicted)

    def _chain_digits(self, place: int, partly: bool = False) -> NDArray[np.int64] | None:
        """[N] digits at a place of the chain; other tokens: -1, or None for all."""
        split = self._aligned.split
        ids = split.tokens[split.starts[:-1] + split.prompt_lengths + place].astype(np.int64)
        return self._digits_of(ids, partly)

    def _digits_of(self, ids: NDArray[np.int64], partly: bool = False) -> NDArray[np.int64] | None:
        known, where = np.unique(ids, return_inverse=True)
        texts = [self._model.token_text(token) for token in known.tolist()]
        digits = [int(text) if text.isdecimal() and len(text) == 1 else -1 for text in texts]
        if min(digits) < 0 and not partly:
            return None
        found: NDArray[np.int64] = np.array(digits, dtype=np.int64)[where.reshape(-1)]
        return found


def _go_on(value: int, rest: list[str], modulus: int) -> int:
    for operator, number in zip(rest[::2], map(int, rest[1::2]), strict=True):
        value = {"+": value + number, "-": value - number, "*": value * number}[operator] % modulus
    return value
