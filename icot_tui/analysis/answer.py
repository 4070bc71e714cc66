"""What is asked for and what comes back: an answer with all that can be told of it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from icot_tui.analysis.chain import ChainToken
from icot_tui.analysis.questions import Question


@dataclass(frozen=True)
class Sampling:
    """Drawing tokens instead of taking the likeliest; the same seed draws the same answer."""

    temperature: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class AnswerToken:
    """A token of the answer and the probability that the model gave it."""

    text: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What a checkpoint made of a question.

    stage        tokens removed, as it was asked
    chain        the chain of thought, ghosts included; without a known example no ghosts
    hidden       how many of its tokens are not written; None without a known example
    answer       in the model's form; None when it wrote none
    shown        the same as a person writes it
    tokens       of the answer, with probabilities; the last one is the separator that closes it
    expected     the true answer as a person writes it; None where nobody knows
    right        is the answer the true one? None where nobody knows
    written      chain-of-thought tokens that the model wrote
    decoded      all tokens that it wrote, separators and the answer's included
    seconds      that writing took
    finished     did it close its answer within the budget?
    notes        what should be known to read this rightly, a sentence each
    """

    question: Question
    checkpoint: str
    step: int | None
    stage: int
    chain: tuple[ChainToken, ...]
    hidden: int | None
    answer: str | None
    shown: str | None
    tokens: tuple[AnswerToken, ...]
    expected: str | None
    right: bool | None
    written: int
    decoded: int
    seconds: float
    finished: bool
    notes: tuple[str, ...] = ()


def as_json(answer: Answer) -> dict[str, Any]:
    """An answer as plain values."""
    return {
        "checkpoint": answer.checkpoint,
        "step": answer.step,
        "stage": answer.stage,
        "input": answer.question.input,
        "answer": answer.shown,
        "model_answer": answer.answer,
        "expected": answer.expected,
        "right": answer.right,
        "finished": answer.finished,
        "tokens": [{"text": t.text, "probability": t.probability} for t in answer.tokens],
        "chain": [
            {
                "text": token.text,
                "written": token.written,
                "place": token.place,
                "probability": token.probability,
                "expected": token.expected,
            }
            for token in answer.chain
        ],
        "written": answer.written,
        "hidden": answer.hidden,
        "decoded": answer.decoded,
        "seconds": answer.seconds,
        "notes": answer.notes,
    }


class TokenChooser:
    """The next token: greedy, or drawn for a single row; the separator is fed where it is due.

    It counts its calls: of the rows of one batch, and of no other.
    """

    def __init__(self, sampling: Sampling | None, forced_end: int | None, separator: int) -> None:
        self._temperature = 0.0 if sampling is None else sampling.temperature
        self._generator = torch.Generator().manual_seed(0 if sampling is None else sampling.seed)
        self._forced_end = forced_end
        self._separator = separator
        self._written = 0

    @property
    def special(self) -> bool:
        """Is this more than the arg-max?"""
        return self._temperature > 0 or self._forced_end is not None

    def __call__(self, logits: Tensor) -> Tensor:
        at, self._written = self._written, self._written + 1
        if self._forced_end is not None and at == self._forced_end:
            return torch.full_like(logits[:, 0], self._separator, dtype=torch.long)
        if self._forced_end is not None and at < self._forced_end:
            logits = logits.clone()
            logits[:, self._separator] = -torch.inf
        if self._temperature <= 0:
            return logits.argmax(-1)
        chances = torch.softmax(logits.double().cpu() / self._temperature, -1)
        return torch.multinomial(chances, 1, generator=self._generator)[:, 0].to(logits.device)
