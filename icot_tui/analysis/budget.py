"""A budget of thought: accuracy and speed against how many chain-of-thought tokens are written."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from icot_tui.analysis.answer import Answer
from icot_tui.analysis.checkpoints import writes_no_chain
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.questions import Question
from icot_tui.config import method_of
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.exact_match import wilson
from icot_tui.errors import UserError

MOST_POINTS = 17  # at most so many budgets are tried
TIMED = 16  # questions asked one by one to measure the speed


@dataclass(frozen=True, kw_only=True)
class BudgetPoint:
    """One choice of the budget.

    written              chain-of-thought tokens (or steps) to write, of the longest chain at most
    stage                tokens (or steps) removed
    examples             that were asked
    exact_match          share of right answers; low, high: its 95 % interval
    mean_written         chain-of-thought tokens that were written, mean over the examples
    examples_per_second  one at a time
    """

    written: int
    stage: int
    examples: int
    exact_match: float
    low: float
    high: float
    mean_written: float
    examples_per_second: float


def check_mixed(model: LoadedModel) -> None:
    """A budget can be chosen only where the run was trained at all stages.

    Raises:
        UserError: it was not, or its method writes no chain of thought at all.
    """
    config = model.opened.config
    if config is not None and (model.is_pair or writes_no_chain(config)):
        title = method_of(config).title
        what = f"{model.label} was trained with {title}, which writes no chain of thought"
        raise UserError(f"{what}: there is no number of written tokens to choose")
    if not model.chooses_budget:
        what = f"{model.label} was not trained with mixed stages (curriculum.mixed_stages)"
        raise UserError(f"{what}, so how many tokens it writes can't be chosen")


def sweep(
    model: LoadedModel,
    split: EncodedSplit,
    on_progress: Callable[[str], None] = lambda what: None,
) -> list[BudgetPoint]:
    """Ask one model with all budgets, or of many an even choice, from most written tokens to none.

    It is asked exactly as a user asks it (see `loaded_model`). Speeds are measured side by side:
    every question is asked with all budgets before the next one.

    Args:
        split: held-out examples in its tokens.
        on_progress: called with what is being done; what it raises ends the work.
    """
    longest = model.token_format.plan.greatest_stage(split)
    stages = np.linspace(0, longest, min(longest + 1, MOST_POINTS)).round().astype(int).tolist()
    questions = [model.reader.example(split, index) for index in range(len(split))]
    right, tokens = [], []
    for number, stage in enumerate(stages, 1):
        on_progress(f"asking with budget {number} of {len(stages)}")
        answers = _ask(model, questions, stage)
        right.append(sum(bool(answer.right) for answer in answers))
        tokens.append(sum(answer.written for answer in answers))
    speeds, count = _speeds(model, questions, stages, on_progress), len(questions)
    points = []
    for stage, n, written, speed in zip(stages, right, tokens, speeds, strict=True):
        low, high = wilson(n, count)
        point = BudgetPoint(
            written=longest - stage,
            stage=stage,
            examples=count,
            exact_match=n / count,
            low=low,
            high=high,
            mean_written=written / count,
            examples_per_second=speed,
        )
        points.append(point)
    return points


def ask_written(
    model: LoadedModel, questions: Sequence[Question], written: Sequence[int]
) -> list[Answer]:
    """Answers with so many tokens (or steps) of each chain of thought written, in batches."""
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, budget in enumerate(written):
        places[budget].append(place)
    answers: dict[int, Answer] = {}
    for budget, group in places.items():
        found = model.answer([questions[place] for place in group], written=budget)
        answers |= zip(group, found, strict=True)
    return [answers[place] for place in range(len(questions))]


def _ask(model: LoadedModel, questions: Sequence[Question], stage: int) -> list[Answer]:
    """Answers at a stage; chains of thought shorter than it are not written at all."""
    written = [max(model.chain_length(question) - stage, 0) for question in questions]
    return ask_written(model, questions, written)


def _speeds(
    model: LoadedModel,
    questions: Sequence[Question],
    stages: Sequence[int],
    on_progress: Callable[[str], None],
) -> list[float]:
    """Examples per second of the median question; the first one only warms up."""
    places = np.linspace(0, len(questions) - 1, min(TIMED, len(questions)) + 1).astype(int)
    seconds = []
    for number, place in enumerate(places.tolist()):
        on_progress(f"measuring the speed, {number} of {len(places) - 1}")
        asked = [_ask(model, [questions[place]], stage)[0] for stage in stages]
        seconds.append([answer.seconds for answer in asked])
    return [1 / median(taken) for taken in zip(*seconds[1:], strict=True)]
