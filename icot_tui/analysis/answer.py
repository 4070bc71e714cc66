"""An answer with its tokens, probabilities and chain of thought; and how tokens are chosen."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from math import prod
from typing import Any

import torch
from torch import Tensor

from icot_tui.analysis.questions import Question
from icot_tui.models.supervised import arg_max


@dataclass(frozen=True)
class ChainToken:
    """One position of the chain of thought.

    text         the token's text; a ghost's is that of the correct chain of thought
    written      did the model write it? Otherwise it is a ghost: hidden at this stage
    place        its index in the correct chain of thought; None for what goes beyond it
    probability  of the written token; None for ghosts
    expected     the correct token there; None where it is not known
    """

    text: str
    written: bool
    place: int | None
    probability: float | None = None
    expected: str | None = None

    @property
    def right(self) -> bool | None:
        """Is the written token correct? None for ghosts and where that is unknown."""
        if not self.written or self.place is None or self.expected is None:
            return None
        return self.text.strip() == self.expected.strip()


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


@dataclass(frozen=True)
class LatentThought:
    """A continuous thought in the eyes of the model's output layer: a reading of it, no more.

    nearest  the likeliest tokens there, most likely first, and their probabilities
    """

    nearest: tuple[AnswerToken, ...]


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
    latents      its continuous thoughts, where the model has any
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
    latents: tuple[LatentThought, ...] = ()

    @property
    def confidence(self) -> float:
        """The probability of the whole answer, given all that was written before it.

        It is the product over `tokens`, the closing separator included; 0 without a closed answer.
        """
        if self.answer is None or not self.finished:
            return 0.0
        return prod(token.probability for token in self.tokens)

    def as_json(self) -> dict[str, Any]:
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
            "confidence": self.confidence,
            "tokens": [asdict(token) for token in self.tokens],
            "chain": [asdict(token) for token in self.chain],
            "written": self.written,
            "hidden": self.hidden,
            "decoded": self.decoded,
            "seconds": self.seconds,
            "notes": self.notes,
            "latents": [asdict(latent)["nearest"] for latent in self.latents],
        }


def token_chooser(
    sampling: Sampling | None, forced_end: int | None, separator: int
) -> Callable[[Tensor], Tensor]:
    """Chooses next tokens: greedily, or drawn for a single row; the separator where it is due.

    It counts its calls, so each batch needs its own.
    """
    temperature = 0.0 if sampling is None else sampling.temperature
    if temperature <= 0 and forced_end is None:
        return arg_max
    generator = torch.Generator().manual_seed(0 if sampling is None else sampling.seed)
    calls = count()

    def choose(logits: Tensor) -> Tensor:
        at = next(calls)
        if at == forced_end:
            return torch.full_like(logits[:, 0], separator, dtype=torch.long)
        if forced_end is not None and at < forced_end:
            logits = logits.clone()
            logits[:, separator] = -torch.inf
        if temperature <= 0:
            return arg_max(logits)
        chances = torch.softmax(logits.double().cpu() / temperature, -1)
        return torch.multinomial(chances, 1, generator=generator)[:, 0].to(logits.device)

    return choose


def whole_chain(
    written: Sequence[str],
    probabilities: Sequence[float],
    explicit: Sequence[str] | None,
    hidden: Sequence[int],
) -> tuple[ChainToken, ...]:
    """Written tokens and ghosts in the order of the correct chain of thought.

    Written tokens take the places that are not hidden, one after another. What the model writes
    beyond them follows the last such place; where it writes fewer, nothing is shown.

    Args:
        written: [W] texts of the chain-of-thought tokens that the model wrote.
        probabilities: [W] their probabilities.
        explicit: [m] texts of the correct chain; None where it is not known.
        hidden: indices in it that the stage removes.
    """
    pairs = zip(written, probabilities, strict=True)
    own = [ChainToken(text, True, None, chance) for text, chance in pairs]
    if explicit is None:
        return tuple(own)
    gone = set(hidden)
    kept = [place for place in range(len(explicit)) if place not in gone]
    last_kept = kept[-1] if kept else len(explicit) - 1
    chain: list[ChainToken] = []
    for place, text in enumerate(explicit):
        if place in gone:
            chain.append(ChainToken(text, False, place))
        elif own:
            chain.append(replace(own.pop(0), place=place, expected=text))
        if place == last_kept:
            chain += own
            own = []
    return (*chain, *own)
