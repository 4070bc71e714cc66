"""The running sums of a batch of products, from its token ids.

Digits are found by their tokens, whatever the tokenizer does with blanks, and stand lowest first.
B rows, L columns, M answer digits, V token ids.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from icot_tui.curriculum.schedule import ALL
from icot_tui.data.tasks.multiplication import running_sums
from icot_tui.data.tokenizing import decode
from icot_tui.data.vocabulary import id_count, used_tokens
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from icot_tui.curriculum.removal import Batch, Ints, TokenFormat
    from icot_tui.data.encoded import EncodedSplit

ROWS = 1 << 14
"""Rows that are looked at together."""
TIMES, OTHER = 10, -1
"""What a token is that is no digit."""


@dataclass(frozen=True, eq=False)
class AnswerDigits:
    """The digits of a batch's answers, row by row, and what precedes them.

    row, column  [M] where they stand in the batch's ids
    digit        [M] what they are
    possible     [M] has the product of the row's factors so many digits?
    sums         [M] ĉ_k, so that c_k = ĉ_k mod 10 in a right answer
    counts       [B] digits of each row's answer
    """

    row: "Ints"
    column: "Ints"
    digit: "Ints"
    possible: "NDArray[np.bool_]"
    sums: "Ints"
    counts: "Ints"


class Products:
    """Reads factors and answers; knows the mean and spread of all running sums of a split.

    Raises:
        UserError: an example of the split is no product, digit by digit, lowest first.
    """

    def __init__(self, token_format: "TokenFormat", split: "EncodedSplit") -> None:
        self._kinds = _kinds(token_format, split)
        count, total, squares = 0, 0, 0
        for start in range(0, len(split), ROWS):
            rows = np.arange(start, min(start + ROWS, len(split)))
            digits = self.read(token_format.batch(split, rows, ALL))
            wrong = digits.counts == 0
            wrong[digits.row[~digits.possible | (digits.sums % 10 != digits.digit)]] = True
            if wrong.any():
                raise UserError(
                    "running sums are known of products only, written digit by digit with the "
                    f"lowest first, and training example {rows[wrong.argmax()] + 1:,} is none"
                )
            count += len(digits.sums)
            total += int(digits.sums.sum())
            squares += int((digits.sums**2).sum())
        self.mean = total / count
        self.spread = max(squares / count - self.mean**2, 0.0) ** 0.5 or 1.0

    def read(self, batch: "Batch") -> AnswerDigits:
        """The answers' digits with their running sums; of rows that only fill up, none."""
        kinds, columns = self._kinds[batch.ids], np.arange(batch.ids.shape[1])
        is_digit = (kinds >= 0) & (kinds < TIMES) & (columns < batch.lengths[:, None])
        asked = columns < batch.prompt_lengths[:, None]
        chain_end = batch.prompt_lengths + batch.cot_lengths.clip(min=0)
        second = (kinds == TIMES).cumsum(axis=1) > 0
        a, b = (_packed(kinds, is_digit & asked & side) for side in (~second, second))
        sums = running_sums(a, b)
        is_answer = is_digit & (columns >= chain_end[:, None])
        row, column = np.nonzero(is_answer)
        place = is_answer.cumsum(axis=1)[row, column] - 1
        most = (is_digit & asked).sum(axis=1)
        known = np.minimum(place, len(sums) - 1)
        return AnswerDigits(
            row=row,
            column=column,
            digit=kinds[row, column],
            possible=place < most[row],
            sums=sums[known, row],
            counts=is_answer.sum(axis=1),
        )


def _kinds(token_format: "TokenFormat", split: "EncodedSplit") -> "Ints":
    """[V] each token's digit, or TIMES or OTHER."""
    tokenizer = token_format.tokenizer
    used = used_tokens([split], id_count(tokenizer))
    named = {str(digit): digit for digit in range(10)} | {"*": TIMES}
    kinds = np.full(int(used.max()) + 1, OTHER, dtype=np.int64)
    kinds[used] = [named.get(decode(tokenizer, [token]), OTHER) for token in used]
    return kinds


def _packed(kinds: "Ints", where: "NDArray[np.bool_]") -> "Ints":
    """[n, B] the chosen values of each row, at its beginning, filled up with zeros."""
    rows, columns = np.nonzero(where)
    packed = np.zeros((max(1, int(where.sum(axis=1).max(initial=0))), len(kinds)), dtype=np.int64)
    packed[where.cumsum(axis=1)[rows, columns] - 1, rows] = kinds[rows, columns]
    return packed
