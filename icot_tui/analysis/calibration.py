"""Which threshold of confidence a run needs: chosen on some examples, reported on others.

Every question is asked once with every budget; what any threshold would have chosen follows from
that. Beside it stand the fixed budgets, and a control that gives the same budgets to questions
drawn at random: what a threshold has beyond it, it has from the model's confidence.

n questions, B budgets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from icot_tui.analysis.hybrid import BudgetOutcome, ask_until
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.questions import Question
from icot_tui.data.encoding import Encoder
from icot_tui.data.splits import open_source
from icot_tui.engine.evaluation.held_out import held_out_text
from icot_tui.engine.evaluation.staged_examples import Ints
from icot_tui.errors import UserError

DECIMALS = 6  # of the thresholds that are tried: a printed one chooses as the one that was tried
MOST_POINTS = 33  # at most so many thresholds are drawn
DRAWS = 1000  # random assignments of the control


@dataclass(frozen=True)
class RandomChoice:
    """Exact match where the same budgets are given to questions at random.

    exact_match  its mean over all assignments
    low, high    95 % of 1,000 random assignments lie between these
    """

    exact_match: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AskedWithAll:
    """n questions with known answers, each asked with B budgets, up to the whole chain."""

    budgets: tuple[int, ...]
    confidence: NDArray[np.float64]  # [B, n]
    right: NDArray[np.bool_]  # [B, n]
    written: Ints  # [B, n] chain-of-thought tokens
    decoded: Ints  # [B, n] all tokens, separators and answers included
    new: NDArray[np.bool_]  # [B, n] False: means what the budget before means, so it isn't tried

    def chosen(self, threshold: float) -> Ints:
        """[n] place of the budget whose answer is given, as `ask_until` chooses it."""
        sure = self.confidence >= threshold
        sure[self._whole, np.arange(len(self._whole))] = True
        place: Ints = sure.argmax(axis=0)
        return place

    def at(self, threshold: float) -> BudgetOutcome:
        """What a threshold comes to."""
        place = self.chosen(threshold)
        return self._outcome(place, self._written_so_far, self._decoded_so_far)

    @cached_property
    def thresholds(self) -> NDArray[np.float64]:
        """[T] all that make a difference, from 0, which takes the first answers, to infinity."""
        seen = self.confidence[:-1].round(DECIMALS)
        found: NDArray[np.float64] = np.unique(np.append(seen[np.isfinite(seen)], [0.0, inf]))
        return found

    def right_at_all(self) -> Ints:
        """[T] right answers at each of the thresholds."""
        return self._sum_at_all(self.right.astype(np.int64))

    def decoded_at_all(self) -> Ints:
        """[T] tokens of all tries of all questions, at each of the thresholds."""
        return self._sum_at_all(self._decoded_so_far)

    def curve(self, most: int = MOST_POINTS) -> list[BudgetOutcome]:
        """What thresholds from 0 to infinity come to: of many an even choice."""
        many = len(self.thresholds)
        places = np.linspace(0, many - 1, min(many, most)).round().astype(int)
        return [self.at(threshold) for threshold in self.thresholds[places].tolist()]

    def fixed(self, budget: int) -> BudgetOutcome:
        """What one of the budgets comes to for all questions, without another try."""
        place = np.full(self.new.shape[1], self.budgets.index(budget))
        return self._outcome(place, self.written, self.decoded)

    def at_random(self, threshold: float) -> RandomChoice:
        """The control of a threshold: as many questions at each budget, but any of them."""
        place, generator = self.chosen(threshold), np.random.default_rng(0)
        examples = np.arange(len(place))
        shares = [self.right[generator.permutation(place), examples].mean() for _ in range(DRAWS)]
        low, high = np.quantile(shares, [0.025, 0.975]).tolist()
        return RandomChoice(float(self.right.mean(axis=1)[place].mean()), low, high)

    def _sum_at_all(self, values: Ints) -> Ints:
        """[T] the sum over all questions, at each of the thresholds, of values [B, n].

        A question goes on from a budget when the threshold is above all its confidences so far,
        which adds the difference to the next budget's value: the differences are sorted by where
        they come in, and summed up.
        """
        begins = np.maximum.accumulate(np.fmax(self.confidence[:-1], -inf))  # NaN is never sure
        goes_on = np.arange(len(begins))[:, None] < self._whole
        begins, gains = begins[goes_on], np.diff(values, axis=0)[goes_on]
        order = begins.argsort()
        sums = np.append(0, gains[order].cumsum()) + values[0].sum()
        total: Ints = sums[np.searchsorted(begins[order], self.thresholds)]
        return total

    def _outcome(self, place: Ints, written: Ints, decoded: Ints) -> BudgetOutcome:
        """Of the answers at these places [n], with the tokens [B, n] that all tries cost."""
        at = place, np.arange(len(place))
        return BudgetOutcome.of(
            chosen=[self.budgets[one] for one in place.tolist()],
            verdicts=self.right[at].tolist(),
            written=self.written[at],
            decoded=self.decoded[at],
            written_in_all=written[at],
            decoded_in_all=decoded[at],
        )

    @cached_property
    def _whole(self) -> Ints:
        """[n] place of the last budget that is tried, with the whole chain of thought."""
        last: Ints = len(self.new) - 1 - self.new[::-1].argmax(axis=0)
        return last

    @cached_property
    def _written_so_far(self) -> Ints:
        return _so_far(self.written, self.new)

    @cached_property
    def _decoded_so_far(self) -> Ints:
        return _so_far(self.decoded, self.new)


def _so_far(tokens: Ints, new: NDArray[np.bool_]) -> Ints:
    total: Ints = np.where(new, tokens, 0).cumsum(axis=0)
    return total


def ask_with_all(
    model: LoadedModel,
    questions: Sequence[Question],
    budgets: Sequence[int],
    on_progress: Callable[[str], None] = lambda what: None,
) -> AskedWithAll:
    """Ask questions whose answers are known with all budgets of a `budget_ladder`.

    Raises:
        UserError: see `LoadedModel.answer`.
    """
    found = ask_until(model, questions, inf, budgets, on_progress)
    tried = [{one.budget: one.answer for one in each.tries} for each in found]
    new = np.array([[budget in tries for tries in tried] for budget in budgets])
    last = np.maximum.accumulate(np.where(new, np.arange(len(budgets))[:, None], 0), axis=0)
    answers = [
        [tries[budgets[place]] for tries, place in zip(tried, row, strict=True)]
        for row in last.tolist()
    ]
    return AskedWithAll(
        budgets=tuple(budgets),
        confidence=np.array([[one.confidence for one in row] for row in answers]),
        right=np.array([[bool(one.right) for one in row] for row in answers]),
        written=np.array([[one.written for one in row] for row in answers]),
        decoded=np.array([[one.decoded for one in row] for row in answers]),
        new=new,
    )


def cheapest_threshold(asked: AskedWithAll, accuracy: float) -> float | None:
    """The threshold that reaches an exact match with the fewest tokens in all tries, if one does.

    Infinity: no answer but that with the whole chain of thought can be trusted.
    """
    right, decoded = asked.right_at_all(), asked.decoded_at_all()
    place = _cheapest(right / asked.right.shape[1], decoded, accuracy)
    return None if place is None else float(asked.thresholds[place])


def cheapest_budget(asked: AskedWithAll, accuracy: float) -> int | None:
    """The fixed budget that reaches an exact match with the fewest tokens, if one does."""
    right, decoded = asked.right.sum(axis=1), asked.decoded.sum(axis=1)
    place = _cheapest(right / asked.right.shape[1], decoded, accuracy)
    return None if place is None else asked.budgets[place]


def _cheapest(shares: NDArray[np.float64], decoded: Ints, accuracy: float) -> int | None:
    """The place of the fewest tokens with a share high enough; of equal ones the highest share."""
    enough = np.flatnonzero(shares >= accuracy)
    best = np.lexsort((-shares[enough], decoded[enough]))
    return int(enough[best[0]]) if len(enough) else None


@dataclass(frozen=True)
class ExamplesApart:
    """Questions to choose a threshold on, and others to report it on; each with their name."""

    choosing: list[Question]
    chosen_on: str
    reporting: list[Question]
    reported_on: str


def examples_apart(model: LoadedModel, most: int) -> ExamplesApart:
    """At most so many of the validation examples to choose on, and of the test ones to report on.

    Without a test split the validation examples are divided, every other one to report on.

    Raises:
        UserError: the checkpoint's examples can't be found, or are too few.
    """
    data = model.opened.data
    if data is None:
        raise UserError(f"{model.label} lies in no run: what it was validated on is not known")
    unit, encoder = model.opened.unit, Encoder(model.opened.tokenizer)

    def read(split: str, limit: int) -> list[Question]:
        found = encoder.encode(held_out_text(data, split, model.label, limit, unit))
        return [model.reader.example(found, index) for index in range(len(found))]

    if "test" in open_source(data, unit).names:
        apart = ExamplesApart(read("validation", most), "validation", read("test", most), "test")
    else:
        both = read("validation", 2 * most)
        half = "half of validation"
        apart = ExamplesApart(both[::2], f"one {half}", both[1::2], f"the other {half}")
    if not (apart.choosing and apart.reporting):
        raise UserError(
            f"{model.label} has no examples for both: a threshold is chosen on {apart.chosen_on} "
            f"and reported on {apart.reported_on}"
        )
    return apart
