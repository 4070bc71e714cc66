"""Examples per second at batch size 1: the papers' measure of what a written thought costs.

Speeds drift with the machine's mood, so that models are compared side by side: all answer the same
question, one after another, before the next question is asked.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch

from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.decoding import Prefixes, StagedExamples, decode_greedily

if TYPE_CHECKING:
    from transformers import PreTrainedModel

QUESTIONS = 16
"""Examples a round."""
LEAST_ROUNDS = 3
"""Rounds at least, however slow the models are."""


@dataclass(frozen=True)
class Contestant:
    """A model and what it is asked: the split in its own tokens, at its own stage."""

    lm: "PreTrainedModel"
    split: EncodedSplit
    stage: int
    plan: RemovalPlan
    separator_id: int


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
    contestants: Sequence[Contestant],
    device: torch.device | str,
    seconds: float,
    questions: int = QUESTIONS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Speed]:
    """Let models in evaluation mode decode the same held-out examples greedily, one at a time.

    Args:
        contestants: the models; their splits hold the same examples.
        device: where they are.
        seconds: go on for about as long, after one round that is not timed.
        questions: examples a round, spread over the split.
        clock: for tests.

    Returns:
        A speed for each.
    """
    count = min(questions, *(len(contestant.split) for contestant in contestants))
    asked = [_prompts(contestant, count) for contestant in contestants]
    rounds: list[list[float]] = []
    began = clock()
    while len(rounds) <= LEAST_ROUNDS or clock() - began < seconds:
        taken = [0.0] * len(contestants)
        for prompts in zip(*asked, strict=True):
            for place, (contestant, prompt) in enumerate(zip(contestants, prompts, strict=True)):
                before = clock()
                # The written tokens are fetched, so that the device is waited for.
                decode_greedily(contestant.lm, prompt, contestant.separator_id, device)
                taken[place] += clock() - before
        rounds.append(taken)
        if len(rounds) == 1:
            began = clock()
    return [Speed([taken[place] for taken in rounds[1:]], count) for place in range(len(asked))]


def _prompts(contestant: Contestant, count: int) -> list[Prefixes]:
    split = contestant.split
    index = np.linspace(0, len(split) - 1, count).astype(np.int64)
    table = getattr(contestant.lm.config, "max_position_embeddings", None)
    examples = StagedExamples.of(
        split, index, contestant.stage, contestant.plan, contestant.separator_id, None, table
    )
    prompts = examples.prefixes(np.arange(count), np.zeros(count, dtype=np.int64))
    return [prompts.rows(np.array([row])) for row in range(count)]
