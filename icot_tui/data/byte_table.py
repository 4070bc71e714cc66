"""The fast path: lines of single characters become ids by table look-up, a hundred times faster.

Text such as `5 6 * 7||1 ( 2 #### 8` has a symbol at every even byte and, at every odd one, a
blank or the end of a span. If the tokenizer makes one token of each blank and symbol, and always
the same ones of each end of a span, a 256-entry table says it all. The table is learnt from the
tokenizer and checked against it for every pair of symbols; anything unusual means no table.
"""

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.tokenizing import encode_texts, separator_id
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPAN_ENDS = (b"||", b" #### ", b"\n")
MARKS = (b"\x01", b"\x02", b"\x03")
SYMBOLS = bytes(range(0x21, 0x7F))
FIRST_CODE = 0x80
MOST_SYMBOLS = 40
"""All pairs of them are tried with the tokenizer."""


@dataclass(frozen=True)
class ByteTable:
    """What each byte stands for, once every end of a span is written with codes above 127.

    symbols  the bytes it is valid for
    ids      [256] the token of a symbol with its blank, and of each code
    codes    for each of SPAN_ENDS, one byte a token
    """

    symbols: bytes
    ids: NDArray[np.uint32]
    codes: tuple[bytes, bytes, bytes]

    @classmethod
    def learn(cls, tokenizer: "PreTrainedTokenizerBase", symbols: bytes) -> "ByteTable | None":
        """The table of a tokenizer, or None if it does not work symbol by symbol."""
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            return None
        try:
            pairs = list(product(symbols.decode(), repeat=2))
            encoded = encode_texts(tokenizer, [_layout(tokenizer, *pair) for pair in pairs])
        except UserError:
            return None
        seen = dict(zip(pairs, encoded, strict=True))
        parts = _parts(seen[symbols[-1:].decode(), symbols[-1:].decode()], tokenizer)
        if parts is None:
            return None
        ids = np.zeros(256, dtype=np.uint32)
        for symbol in symbols:
            ids[symbol] = seen[chr(symbol), chr(symbol)][0]
        bounds = [FIRST_CODE, *(FIRST_CODE + np.cumsum([len(part) for part in parts])).tolist()]
        ids[FIRST_CODE : bounds[-1]] = np.concatenate(parts)
        first, second, third = (bytes(range(*bound)) for bound in pairwise(bounds))
        table = cls(symbols, ids, (first, second, third))
        right = (
            table.encode(mark_regular(f"{a} {b}||{a} {b} #### {a} {b}\n".encode()) or b"").tolist()
            == tokens
            for (a, b), tokens in seen.items()
        )
        return table if all(right) else None

    def encode(self, marked: bytes) -> NDArray[np.uint32]:
        """[T] ids of the lines that `mark_regular` has prepared, one after another."""
        text = marked.translate(None, b" ")
        for mark, code in zip(MARKS, self.codes, strict=True):
            text = text.replace(mark, code)
        tokens: NDArray[np.uint32] = self.ids[np.frombuffer(text, dtype=np.uint8)]
        return tokens


def mark_regular(lines: bytes) -> bytes | None:
    """Whole lines with each end of a span as one byte; None unless their spans are regular.

    That is: printable single characters with single blanks between them, and no span empty.
    """
    if lines.translate(None, SYMBOLS + b" \n"):
        return None
    for end, mark in zip(reversed(SPAN_ENDS), reversed(MARKS), strict=True):
        lines = lines.replace(end, mark)
    if len(lines) % 2:
        return None
    symbols, gaps = np.frombuffer(lines, dtype=np.uint8).reshape(-1, 2).T
    if (symbols <= ord(" ")).any() or (gaps > ord(" ")).any():
        return None
    ends = gaps[gaps < ord(" ")]
    expected = np.frombuffer(b"".join(MARKS), dtype=np.uint8)
    whole = len(ends) % 3 == 0 and bool((ends.reshape(-1, 3) == expected).all())
    return lines if whole else None


def symbols_of(marked: bytes) -> bytes:
    """The distinct symbols in lines that `mark_regular` has prepared, sorted."""
    counts = np.bincount(np.frombuffer(marked, dtype=np.uint8), minlength=256)
    return bytes(symbol for symbol in SYMBOLS if counts[symbol])


def _layout(tokenizer: "PreTrainedTokenizerBase", a: str, b: str) -> str:
    end = tokenizer.eos_token
    return f" {a} {b} {end} {a} {b} {end} #### {a} {b} {end}"


def _parts(tokens: list[int], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]] | None:
    """What stands between the symbols of `_layout(a, a)`, whose symbols are all the same."""
    at = [place for place, token in enumerate(tokens) if token == tokens[0]]
    if len(at) != 6 or tokens.count(separator_id(tokenizer)) != 3:
        return None
    parts = [tokens[at[1] + 1 : at[2]], tokens[at[3] + 1 : at[4]], tokens[at[5] + 1 :]]
    return parts if sum(map(len, parts)) <= 256 - FIRST_CODE else None
