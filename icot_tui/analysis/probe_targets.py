"""What may be hidden: chain-of-thought tokens, answer digits, and running sums.

Running sums are those of arXiv 2510.00184. Each target also says in which columns it can be read
before it is given away, and what the answer becomes when its value is taken from another example.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from icot_tui.analysis.examples import AlignedExamples, Ints
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.data.encoding import decode_example
from icot_tui.data.tasks.multiplication import running_sums

Kind = Literal["token", "sum", "digit"]


@dataclass(frozen=True)
class Effect:
    """What happens to the answer when a target's value comes from another example.

    digit      the answer digit c_k to look at: the first one that the target contributes to
    predicted  ([n] examples, [n] sources) -> [n] the token that c_k becomes; -1 for none
    """

    digit: int
    predicted: Callable[[Ints, Ints], Ints]


@dataclass(frozen=True, eq=False)
class Target:
    """One thing that may be read at a place.

    kind         token: a hidden chain-of-thought token; digit: of the answer; sum: a running sum
    place        index in the chain of thought, or of the answer digit
    values       [N] classes from 0, or the running sum itself
    last_column  the last aligned column in which reading it counts: the tokens up to there give
                 away neither it nor anything that follows it
    effect       None where the task does not say what the answer becomes
    """

    kind: Kind
    place: int
    values: Ints
    last_column: int
    effect: Effect | None

    @property
    def name(self) -> str:
        """z3, c1, ĉ2: tokens count from 1, digits from 0, the lowest."""
        names = {"token": f"z{self.place + 1}", "digit": f"c{self.place}", "sum": f"ĉ{self.place}"}
        return names[self.kind]

    @property
    def words(self) -> str:
        return {
            "token": f"hidden token {self.place + 1} of the chain of thought",
            "digit": f"answer digit {self.place} (lowest first)",
            "sum": f"the running sum before answer digit {self.place}",
        }[self.kind]


def find_targets(model: LoadedModel, aligned: AlignedExamples) -> list[Target]:
    """Tokens, digits, then running sums; without those that are the same in every example."""
    finder = _Finder(model, aligned)
    found = [*finder.tokens(), *finder.digits(), *finder.sums()]
    return [target for target in found if (target.values != target.values[0]).any()]


class _Finder:
    """Targets of examples, with their effects as far as the task's arithmetic tells them."""

    def __init__(self, model: LoadedModel, aligned: AlignedExamples) -> None:
        self._model, self._aligned = model, aligned
        self._task = model.reader.task
        texts = {model.token_text(i): i for i in np.unique(aligned.tokens[:, aligned.answer :])}
        self._ids = np.array([texts.get(str(digit), -1) for digit in range(10)], dtype=np.int64)

    # Targets ------------------------------------------------------------------------------------

    def tokens(self) -> Iterator[Target]:
        for place in self._aligned.hidden:
            values, last = _classes(self._chain_ids(place)), self._last_column(place)
            yield Target("token", place, values, last, self._token_effect(place))

    def digits(self) -> Iterator[Target]:
        for k in range(self._aligned.digits):
            ids, last = self._aligned.answer_tokens(k), self._aligned.answer + k - 1
            yield Target("digit", k, _classes(ids), last, Effect(k, _from_source(ids)))

    def sums(self) -> Iterator[Target]:
        """Running sums of a product, mod 10 the answer's digits."""
        factors = self._factors()
        if factors is None:
            return
        for k, sums in enumerate(running_sums(*factors)[: self._aligned.digits]):
            effect = Effect(k, _from_source(self._ids[sums % 10]))
            yield Target("sum", k, sums, self._aligned.answer + k - 1, effect)

    def _last_column(self, place: int) -> int:
        """Before the first varying column after the hidden token's own place."""
        aligned = self._aligned
        first = aligned.chain + sum(kept < place for kept in aligned.kept)
        varying = np.flatnonzero(aligned.varies[first:])
        return int(first + varying[0] - 1) if len(varying) else len(aligned.names) - 1

    def _factors(self) -> tuple[Ints, Ints] | None:
        """([n, N], [m, N]) digits of the factors; None for another task, or of mixed sizes."""
        if self._task is None or self._task.name != "multiplication":
            return None
        texts = [text.split(" * ") for text in self._inputs()]
        sides = [[tuple(map(int, text[side].split())) for text in texts] for side in (0, 1)]
        if any(len({len(number) for number in side}) > 1 for side in sides):
            return None
        a, b = (np.array(side, dtype=np.int64).T for side in sides)
        return a, b

    def _inputs(self) -> list[str]:
        tokenizer, split = self._model.opened.tokenizer, self._aligned.split
        return [decode_example(tokenizer, split, index).input for index in range(len(split))]

    # Effects ------------------------------------------------------------------------------------

    def _token_effect(self, place: int) -> Effect | None:
        name = None if self._task is None else self._task.name
        if name == "modular":
            return self._modular(place)
        return self._addend(place) if name in ("addition", "multiplication") else None

    def _addend(self, place: int) -> Effect | None:
        """Digits of sums and products, lowest first: each is added to the answer at its place.

        Whatever number of the chain a digit belongs to, a row or a running sum, the answer has
        that number as a part: with one more in the place of 10^j the answer is 10^j larger, and
        c_j, which no lower digit's carry reaches, is one more (modulo 10).
        """
        digit = self._decimal_place(place)
        if digit is None or digit >= self._aligned.digits:
            return None
        values = self._digits(self._chain_ids(place))
        answer = self._digits(self._aligned.answer_tokens(digit))
        if (values < 0).any() or (answer < 0).any():
            return None

        def predicted(base: Ints, source: Ints) -> Ints:
            tokens: Ints = self._ids[(answer[base] + values[source] - values[base]) % 10]
            return tokens

        return Effect(digit, predicted)

    def _decimal_place(self, place: int) -> int | None:
        """How many digits precede it in its number; None where examples differ in that."""
        for digits in range(place + 1):
            is_other = self._digits(self._chain_ids(place - digits)) < 0
            if is_other.all():
                return digits - 1 if digits else None
            if is_other.any():
                return None
        return place

    def _modular(self, place: int) -> Effect | None:
        """Later operations continue from the other result, modulo p."""
        assert self._task is not None
        values = self._digits(self._chain_ids(place))
        if (values < 0).any():
            return None
        modulus = int(str(self._task.options["modulus"]))
        rest = [text.split()[2 * place + 3 :] for text in self._inputs()]

        def predicted(base: Ints, source: Ints) -> Ints:
            pairs = zip(base.tolist(), source.tolist(), strict=True)
            results = [_continued(int(values[two]), rest[one], modulus) for one, two in pairs]
            return self._ids[np.array(results, dtype=np.int64)]

        return Effect(0, predicted)

    def _chain_ids(self, place: int) -> Ints:
        """[N] the token at a place of the whole chain of thought."""
        split = self._aligned.split
        ids: Ints = split.tokens[split.starts[:-1] + split.prompt_lengths + place].astype(np.int64)
        return ids

    def _digits(self, ids: Ints) -> Ints:
        """[N] tokens as digits; -1 for other tokens."""
        known, where = np.unique(ids, return_inverse=True)
        texts = [self._model.token_text(token) for token in known.tolist()]
        digits = [int(text) if text.isdecimal() and len(text) == 1 else -1 for text in texts]
        found: Ints = np.array(digits, dtype=np.int64)[where.reshape(-1)]
        return found


def _classes(ids: Ints) -> Ints:
    return np.unique(ids, return_inverse=True)[1].reshape(-1)


def _from_source(ids: Ints) -> Callable[[Ints, Ints], Ints]:
    return lambda base, source: ids[source]


def _continued(value: int, rest: list[str], modulus: int) -> int:
    for operator, number in zip(rest[::2], map(int, rest[1::2]), strict=True):
        value = {"+": value + number, "-": value - number, "*": value * number}[operator] % modulus
    return value
