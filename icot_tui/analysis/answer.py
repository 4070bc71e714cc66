"""An answer with its tokens, probabilities and chain of thought; and how tokens are chosen."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from icot_tui.analysis.chain import ChainToken
from icot_tui.analysis.questions import Question


@dataclass(frozen=True)
class Sampling:
    """Draw tokens instead of taking the most likely; the same seed draws the same answer."""

    temperature: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class AnswerToken:
    """A token of the answer and the probability that the model gave it."""

    text: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A checkpoint's answer to a question.

    stage        tokens removed when it was asked
    chain        the chain of thought; hidden tokens are included where the correct one is known
    hidden       how many of its tokens are hidden; None where the correct one is unknown
    answer       in the model's form; None when it wrote none
    shown        the same as a person writes it
    tokens       of the answer, with probabilities; the last one is the closing separator
    expected     the correct answer as a person writes it; None where it is unknown
    right        is the answer correct? None where that is unknown
    written      chain-of-thought tokens that the model wrote
    decoded      all tokens that it wrote, with separators and the answer
    seconds      spent on writing
    finished     did it close its answer within the budget?
    notes        what should be known to read this correctly, a sentence each
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

    def as_json(self) -> dict[str, Any]:
        """The answer as plain values."""
        return {
            "checkpoint": self.checkpoint,
            "step": self.step,
            "stage": self.stage,
            "input": self.question.input,
            "answer": self.shown,
            "model_answer": self.answer,
            "expected": self.expected,
            "right": self.right,
            "finished": self.finished,
            "tokens": [asdict(token) for token in self.tokens],
            "chain": [asdict(token) for token in self.chain],
            "written": self.written,
            "hidden": self.hidden,
            "decoded": self.decoded,
            "seconds": self.seconds,
            "notes": self.notes,
        }


class TokenChooser:
    """Chooses the next token: greedily, or drawn for a single row; the separator where it is due.

    It counts its calls, so each batch needs its own.
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
