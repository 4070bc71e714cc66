"""Examples per second at batch size 1: the papers' measure of what a written thought costs.

Speeds drift with the load of the machine, so models are compared side by side: all answer the same
question, one after another, before the next question is asked.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.evaluate import position_table
from icot_tui.engine.evaluation.held_out import PreparedModel
from icot_tui.engine.evaluation.staged_examples import Prefixes, StagedExamples

QUESTIONS = 16
"""Examples a round."""
LEAST_ROUNDS = 3
"""Rounds at least, however slow the models are."""


@dataclass(frozen=True)
class Speed:
    """Seconds that one model took, a value a round."""

    seconds: list[float]
    questions: int

    @property
    def examples_per_second(self) -> float:
        """Of the median round."""
        return self.questions / median(self.seconds)

    def ratio(self, other: "Speed") -> float:
        """How many times as fast as the other: the median over rounds, which they shared."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return median(theirs / ours for ours, theirs in pairs)


def measure_speed(
    models: Sequence[PreparedModel],
    seconds: float,
    questions: int = QUESTIONS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Speed]:
    """Let models decode the same held-out examples greedily, one at a time.

    Args:
        models: their splits hold the same examples.
        seconds: go on for about as long, after one round that is not timed.
        questions: examples a round, spread over the split.
        clock: for tests.

    Returns:
        A speed for each.
    """
    count = min(questions, *(len(model.split) for model in models))
    asked = [_prompts(model, count) for model in models]
    rounds: list[list[float]] = []
    began = clock()
    while len(rounds) <= LEAST_ROUNDS or clock() - began < seconds:
        taken = [0.0] * len(models)
        for prompts in zip(*asked, strict=True):
            for place, (model, prompt) in enumerate(zip(models, prompts, strict=True)):
                before = clock()
                # The written tokens are fetched, so that the device is waited for.
                decode(model.lm, prompt, model.token_format.separator_id)
                taken[place] += clock() - before
        rounds.append(taken)
        if len(rounds) == 1:
            began = clock()
    return [Speed([taken[place] for taken in rounds[1:]], count) for place in range(len(asked))]


def _prompts(model: PreparedModel, count: int) -> list[Prefixes]:
    split, table = model.split, position_table(model.lm)
    index = np.linspace(0, len(split) - 1, count).astype(np.int64)
    examples = StagedExamples.of(model.token_format, split, index, model.stage, None, table)
    prompts = examples.prefixes(np.arange(count), np.zeros(count, dtype=np.int64))
    return [prompts.rows(np.array([row])) for row in range(count)]
