"""Where the steps of chains of thought end: as marks in lines of text, and counted in tokens.

N examples with S steps in all; M marks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Marks = tuple[Ints, Ints]
"""([M], [M]) the line of each mark, from 0, and the tokens of its chain before it."""

MARK = "\x1f"
"""ASCII's unit separator: it follows each step in lines of text, and no tokenizer sees it."""
MARK_BYTE = MARK.encode()
CALCULATION_END = ">>"
"""Ends a step where nothing else is said: GSM8K's `<<48/2=24>>`."""
_CHAIN = re.compile(rb"(?<=\|\|)[^\n]*?(?=####)")
_LAST_MARK = re.compile(MARK_BYTE + rb"(?= *####)")


@dataclass(frozen=True)
class StepEnds:
    """Tokens of each chain up to the end of each of its steps.

    ends    [N + S] int32: for each example 0, then the tokens up to the end of each step
    starts  [N + 1] int64: where each example begins in `ends`; the last entry is N + S
    """

    ends: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def at(cls, rows: Ints, inner: Ints, cot_lengths: NDArray[np.int32]) -> "StepEnds":
        """Steps that end after [M] `inner` tokens of the chains `rows` [M], and at their ends."""
        lengths = cot_lengths.astype(np.int64)
        every = np.arange(len(lengths))
        inside = (inner > 0) & (inner < lengths[rows])
        width = int(lengths.max(initial=0)) + 1
        each_row = np.concatenate([every, rows[inside], every])
        each_end = np.concatenate([np.zeros_like(lengths), inner[inside], lengths])
        row, end = np.divmod(np.unique(each_row * width + each_end), width)
        counts = np.bincount(row, minlength=len(lengths))
        return cls(end.astype(np.int32), np.concatenate([[0], counts]).cumsum(dtype=np.int64))

    @property
    def counts(self) -> Ints:
        """[N] steps of each chain."""
        return np.diff(self.starts) - 1

    def removed_tokens(self, rows: Ints, removed: Ints | int, from_end: bool) -> Ints:
        """[B] tokens of the first (or last) `removed` steps, one number or [B], of each row."""
        first, last = self.starts[rows], self.starts[rows + 1] - 1
        gone = np.minimum(removed, last - first)
        tokens = self.ends[last] - self.ends[last - gone] if from_end else self.ends[first + gone]
        counted: Ints = tokens.astype(np.int64)
        return counted

    def only(self, keep: NDArray[np.bool_]) -> "StepEnds":
        """Those of the examples for which `keep` [N] is true."""
        sizes = np.diff(self.starts)
        starts = np.concatenate([[0], sizes[keep]]).cumsum(dtype=np.int64)
        return StepEnds(self.ends[np.repeat(keep, sizes)], starts)


def whole_chains(cot_lengths: NDArray[np.int32]) -> StepEnds:
    """One step a chain."""
    nothing = np.zeros(0, dtype=np.int64)
    return StepEnds.at(nothing, nothing, cot_lengths)


@dataclass(frozen=True)
class StepRule:
    """What ends a step of a chain that is text; None: a calculation's `>>`, or a line's end."""

    end: str | None = None

    def mark(self, lines: bytes) -> bytes:
        """Lines of text with a mark after each step."""
        return mark_steps(lines, (self.end or CALCULATION_END,))


def mark_steps(lines: bytes, ends: Sequence[str]) -> bytes:
    """Lines of text with a mark after each of the texts that end a step of a chain of thought."""
    end = re.compile(b"|".join(re.escape(text.encode()) for text in ends))
    return _CHAIN.sub(lambda chain: end.sub(rb"\g<0>" + MARK_BYTE, chain[0]), lines)


def without_last(lines: bytes) -> bytes:
    """Lines without the mark at the end of a chain, which ends a step in any case."""
    return _LAST_MARK.sub(b"", lines)


def marked_symbols(lines: bytes) -> Marks:
    """The marks of lines whose tokens are symbols, with or without a blank before them."""
    text = np.frombuffer(lines, dtype=np.uint8)
    symbols = (text > ord(" ")).cumsum()
    begins = np.flatnonzero((text[:-1] == ord("|")) & (text[1:] == ord("|"))) + 1
    marks = np.flatnonzero(text == MARK_BYTE[0])
    rows = np.searchsorted(np.flatnonzero(text == ord("\n")), marks)
    before: Ints = symbols[marks] - symbols[begins[rows]]
    return rows, before
