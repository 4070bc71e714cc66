"""Hybrid per query: a model decides itself how much of its chain of thought it writes.

The papers leave this to future work (arXiv 2405.14838; mixed stages in docs/method.md). A question
is answered with the least budget first. While the model's confidence in its answer is below a
threshold, the answer is thrown away and the next budget is tried, up to the whole chain of thought,
whose answer is taken as it is.

Confidence is `Answer.confidence`: the probability of the whole answer under greedy decoding.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from icot_tui.analysis.answer import Answer
from icot_tui.analysis.budget import ask_written
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.questions import Question
from icot_tui.engine.evaluation.exact_match import wilson
from icot_tui.engine.evaluation.staged_examples import Ints


@dataclass(frozen=True)
class Try:
    """One answer to a question: the budget it was asked with, and what the model wrote.

    budget  at most so many chain-of-thought tokens (or steps) are to be written
    """

    budget: int
    answer: Answer


@dataclass(frozen=True)
class HybridAnswer:
    """The tries at a question, from the least budget on; the last one's answer is given."""

    tries: tuple[Try, ...]

    @property
    def answer(self) -> Answer:
        return self.tries[-1].answer

    @property
    def budget(self) -> int:
        """The one that was chosen."""
        return self.tries[-1].budget

    @property
    def written_in_all(self) -> int:
        """Chain-of-thought tokens of all tries."""
        return sum(one.answer.written for one in self.tries)

    @property
    def decoded_in_all(self) -> int:
        """All tokens of all tries, separators and answers included."""
        return sum(one.answer.decoded for one in self.tries)

    def as_json(self) -> dict[str, Any]:
        """The given answer as always, and what it took."""
        tries = [
            {
                "budget": one.budget,
                "written": one.answer.written,
                "decoded": one.answer.decoded,
                "confidence": one.answer.confidence,
                "answer": one.answer.shown,
                "right": one.answer.right,
            }
            for one in self.tries
        ]
        return self.answer.as_json() | {
            "budget": self.budget,
            "written_in_all": self.written_in_all,
            "decoded_in_all": self.decoded_in_all,
            "tries": tries,
        }


@dataclass(frozen=True, kw_only=True)
class BudgetOutcome:
    """What a way of choosing budgets comes to, over some questions.

    known           questions whose correct answer is known; `right` of them were answered so
    exact_match     their share, None where none is known; low, high: its 95 % interval (Wilson)
    written         chain-of-thought tokens of the given answer, mean over the questions
    decoded         all its tokens, separators and answer included; mean
    written_in_all  as `written`, with the tries that were thrown away
    decoded_in_all  as `decoded`, with the tries that were thrown away
    shares          of the questions by the budget that was chosen
    """

    questions: int
    known: int
    right: int
    exact_match: float | None
    low: float | None
    high: float | None
    written: float
    decoded: float
    written_in_all: float
    decoded_in_all: float
    shares: dict[int, float]

    @classmethod
    def of(
        cls,
        *,
        chosen: Sequence[int],
        verdicts: Sequence[bool | None],
        written: Sequence[int] | Ints,
        decoded: Sequence[int] | Ints,
        written_in_all: Sequence[int] | Ints,
        decoded_in_all: Sequence[int] | Ints,
    ) -> "BudgetOutcome":
        """Of n questions, at least one: a value of each, None for an unknown verdict."""
        known = [verdict for verdict in verdicts if verdict is not None]
        right = sum(known)
        low, high = wilson(right, len(known)) if known else (None, None)
        budgets = Counter(chosen)
        return cls(
            questions=len(verdicts),
            known=len(known),
            right=right,
            exact_match=right / len(known) if known else None,
            low=low,
            high=high,
            written=float(np.mean(written)),
            decoded=float(np.mean(decoded)),
            written_in_all=float(np.mean(written_in_all)),
            decoded_in_all=float(np.mean(decoded_in_all)),
            shares={budget: budgets[budget] / len(verdicts) for budget in sorted(budgets)},
        )

    @classmethod
    def of_answers(cls, found: Sequence[HybridAnswer]) -> "BudgetOutcome":
        """Of at least one answer."""
        return cls.of(
            chosen=[one.budget for one in found],
            verdicts=[one.answer.right for one in found],
            written=[one.answer.written for one in found],
            decoded=[one.answer.decoded for one in found],
            written_in_all=[one.written_in_all for one in found],
            decoded_in_all=[one.decoded_in_all for one in found],
        )

    @property
    def share(self) -> float:
        """The exact match, where answers are known."""
        assert self.exact_match is not None
        return self.exact_match

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def budget_ladder(
    model: LoadedModel, questions: Sequence[Question], wanted: Sequence[int] | None = None
) -> list[int]:
    """The budgets that are tried one after another, rising; the last is the whole chain of thought.

    Without those `wanted` they double (0, 1, 2, 4, ...), so that the tries before the last write
    less than two whole chains. The least there is, is what is left where the model has removed the
    most that it was trained for.
    """
    lengths, least = _lengths(model, questions)
    first, longest = int(least.min()), int(lengths.max())
    if wanted is None:
        wanted = [0, *(1 << power for power in range(longest.bit_length()))]
    return sorted({longest, *(min(max(one, first), longest) for one in wanted)})


def own_budgets(model: LoadedModel, questions: Sequence[Question], budgets: Sequence[int]) -> Ints:
    """[B, n] what each of B budgets means for each question: no more than its whole chain."""
    lengths, least = _lengths(model, questions)
    own: Ints = np.clip(np.array(budgets)[:, None], least, lengths)
    return own


def _lengths(model: LoadedModel, questions: Sequence[Question]) -> tuple[Ints, Ints]:
    """[n] tokens (or steps) of the whole chains, and those that are left at the model's stage."""
    assert model.stage is not None, "only a run's checkpoint chooses budgets"
    lengths = np.array([model.chain_length(question) for question in questions], dtype=np.int64)
    return lengths, np.maximum(lengths - model.stage, 0)


def ask_until(
    model: LoadedModel,
    questions: Sequence[Question],
    threshold: float,
    budgets: Sequence[int],
    on_progress: Callable[[str], None] = lambda what: None,
) -> list[HybridAnswer]:
    """Ask at least one question; only those with a confidence below the threshold go on.

    A budget that means the same for a question as the one before is not tried for it.

    Args:
        threshold: 0 takes the first answers; infinity tries all budgets.
        budgets: see `budget_ladder`.
        on_progress: called with what is being done; what it raises ends the work.

    Raises:
        UserError: see `LoadedModel.answer`.
    """
    own = own_budgets(model, questions, budgets)
    tries: list[list[Try]] = [[] for _ in questions]
    unsure = np.arange(len(questions))
    before = np.full(len(questions), -1)
    for budget, written in zip(budgets, own, strict=True):
        asked = unsure[written[unsure] > before[unsure]]
        before = written
        on_progress(f"asking {len(asked):,} questions with budget {budget}")
        answers = ask_written(model, [questions[at] for at in asked], written[asked].tolist())
        for at, answer in zip(asked.tolist(), answers, strict=True):
            tries[at].append(Try(budget, answer))
        sure = [tries[at][-1].answer.confidence >= threshold for at in unsure.tolist()]
        unsure = unsure[~np.array(sure, dtype=np.bool_)]
    return [HybridAnswer(tuple(one)) for one in tries]
