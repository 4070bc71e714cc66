"""Answers as texts, read out of token ids."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from icot_tui.curriculum.removal import TokenFormat
from icot_tui.data.comparison import Compare, equal_answers, numbers_never_equal
from icot_tui.data.examples import ANSWER_MARK
from icot_tui.data.tokenizing import decode

CLOSING = 2  # separators that end an answer: one after the chain of thought, one after the answer


class AnswerReader:
    """Reads what follows a prompt ` {x} SEP`: ` {z} SEP #### {y} SEP`.

    In ICoT-KD's layout just ` #### {y} SEP` follows, and the chain of thought is empty.
    """

    def __init__(self, token_format: TokenFormat, compare: Compare | None = None) -> None:
        self._compare = compare
        self._tokenizer = token_format.tokenizer
        self._closing = frozenset(token_format.separators[1:])
        self._answer_only = token_format.plan.answer_only
        self._bare: dict[int, str] = {}

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, without blanks at the ends."""
        return decode(self._tokenizer, tokens)

    def section(self, written: Sequence[int]) -> Sequence[int] | None:
        """The tokens between the two separators; None when the second was not written."""
        parts = self.parts(written)
        return parts[1] if len(parts) > CLOSING else None

    def parts(self, written: Sequence[int]) -> list[Sequence[int]]:
        """The tokens before, between and after separators; one part more than separators."""
        parts: list[Sequence[int]] = [[]] if self._answer_only else []
        begin = 0
        for at, token in enumerate(written):
            if token in self._closing:
                parts.append(written[begin:at])
                begin = at + 1
        return [*parts, written[begin:]]

    def begin(self, written: Sequence[int]) -> int:
        """Where the tokens between the two separators begin."""
        return 0 if self._answer_only else len(self.parts(written)[0]) + 1

    def text(self, section: Sequence[int]) -> str | None:
        """The answer in the tokens between the separators; None without `####`."""
        _, mark, answer = self.decode(section).partition(ANSWER_MARK)
        return answer.strip() if mark else None

    def equal(self, one: str, other: str) -> bool:
        """Do two answers count as equal?"""
        return equal_answers(one, other, self._compare)

    def mark_length(self, section: Sequence[int]) -> int | None:
        """How many tokens it takes until `####` is written; None when it never is."""
        if ANSWER_MARK not in self.decode(section):
            return None
        return next(n for n in range(len(section) + 1) if ANSWER_MARK in self.decode(section[:n]))

    def never_equal(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[B] after equal tokens with `####` among them: can [B] different next tokens never lead
        to equal answers? (Lemma in docs/evaluation.md.)
        """
        pairs, where = np.unique(np.stack([one, other]), axis=1, return_inverse=True)
        verdicts = [self._never_equal(*pair) for pair in pairs.T.tolist()]
        return np.array(verdicts, dtype=np.bool_)[where.reshape(-1)]

    def _never_equal(self, one: int, other: int) -> bool:
        u, v = self._bare_text(one), self._bare_text(other)
        ended = one in self._closing or other in self._closing
        if self._compare == "number":
            return numbers_never_equal(u, v, ended)
        if ended:
            return bool(u if other in self._closing else v)
        return bool(u and v) and not u.startswith(v) and not v.startswith(u)

    def _bare_text(self, token: int) -> str:
        """Without blanks; empty for a part of a character, of which nothing can be said."""
        if token not in self._bare:
            text = "".join(self.decode([token]).split())
            self._bare[token] = "" if "\ufffd" in text else text
        return self._bare[token]
