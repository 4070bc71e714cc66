"""Lines of text -> token ids in the layout ` {x} SEP {z} SEP #### {y} SEP` (docs/method.md)."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, islice, pairwise, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.examples import ANSWER_MARK, Chunk, Example, chunk_examples
from icot_tui.data.steps import MARK, MARK_BYTE, Marks, StepEnds, marked_symbols, without_last
from icot_tui.data.tokenizing import (
    Separators,
    UnknownText,
    decode,
    encode_marked,
    encode_texts,
    separator_texts,
    separators,
)
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LINES_AT_ONCE = 1024
"""Lines handed to the tokenizer together."""
TRIED = 8
"""Examples that each tokenizer must give back."""
SHOWN = 40
"""Characters of a text that an error repeats."""
SPAN_ENDS = (b"||", b" #### ", b"\n")
MARKS = (b"\x01", b"\x02", b"\x03")
SYMBOLS = bytes(range(0x21, 0x7F))
FIRST_CODE = 0x80
MOST_SYMBOLS = 40
"""All pairs of them are tried with the tokenizer."""


@dataclass(frozen=True)
class ByteTable:
    """Encodes lines of single characters by table look-up, a hundred times faster.

    Text such as `5 6 * 7||1 ( 2 #### 8` has a symbol at every even byte and, at every odd one, a
    blank or the end of a span. If the tokenizer makes one token of each blank and symbol, and
    always the same ones of each end of a span, a table of 256 entries is enough. It is learnt from
    the tokenizer and checked against it for every pair of symbols; anything unusual means no table.

    ids    [256] the token of a symbol with its blank, and of each code above 127
    codes  for each of SPAN_ENDS, one byte a token
    """

    ids: NDArray[np.uint32]
    codes: tuple[bytes, bytes, bytes]

    @classmethod
    def learn(cls, tokenizer: "PreTrainedTokenizerBase", symbols: bytes) -> "ByteTable | None":
        """The table of a tokenizer, or None if it does not work symbol by symbol."""
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            return None
        try:
            pairs = list(product(symbols.decode(), repeat=2))
            spans = [f"{a} {b}" for a, b in pairs]
            examples = [Example(span, span, span) for span in spans]
            marks = separator_texts(tokenizer)
            encoded = encode_texts(tokenizer, [layout(one, marks) for one in examples])
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
        table = cls(ids, (first, second, third))
        marked = [mark_regular(f"{one}||{one} #### {one}\n".encode()) or b"" for one in spans]
        return table if [table.encode(line).tolist() for line in marked] == encoded else None

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


def _parts(tokens: list[int], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]] | None:
    """What stands between the symbols of a layout whose symbols are all the same."""
    at = [place for place, token in enumerate(tokens) if token == tokens[0]]
    if len(at) != 6 or len(separators(tokenizer).among(tokens)) != 3:
        return None
    parts = [tokens[at[1] + 1 : at[2]], tokens[at[3] + 1 : at[4]], tokens[at[5] + 1 :]]
    return parts if sum(map(len, parts)) <= 256 - FIRST_CODE else None


class Encoder:
    """Encodes chunks of lines, by table where the tokenizer allows it.

    `fast=False` always asks the tokenizer.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", fast: bool = True) -> None:
        largest = max(tokenizer.get_vocab().values())  # not their number: some skip ids
        self.dtype = np.dtype(np.uint16 if largest < 1 << 16 else np.uint32)
        self._tokenizer = tokenizer
        self._separators = separators(tokenizer)
        self._marks = separator_texts(tokenizer)
        self._fast = fast
        self._tables: dict[bytes, ByteTable | None] = {}
        self._tried = False

    def encode(self, chunk: Chunk) -> EncodedSplit:
        """The examples of a chunk, in memory; a UserError names a line that cannot be encoded.

        With the ends of their steps, if there are marks.
        """
        known = chunk.marked and MARK_BYTE in chunk.text
        marked = replace(chunk, text=without_last(chunk.text)) if known else chunk
        tokens = self._by_table(marked) if self._fast else None
        if tokens is None:
            tokens, marks = self._by_tokenizer(marked)
        elif known:
            marks = marked_symbols(marked.text)
        split = split_at_separators(tokens.astype(self.dtype), self._separators)
        if known:
            split = replace(split, steps=StepEnds.at(*marks, split.cot_lengths))
        if not self._tried and len(split):
            self._tried = True
            self._try(split, chunk)
        return split

    def _try(self, split: EncodedSplit, chunk: Chunk) -> None:
        """Refuse a tokenizer that can't give back what the first examples are made of."""
        unknown = self._tokenizer.unk_token_id
        blanks, kept = False, False
        for index, (_, example) in enumerate(islice(chunk_examples(chunk), TRIED)):
            ids = split.example(index)
            if unknown not in (None, *self._separators) and unknown in ids:
                raise UserError(
                    "the tokenizer has no token for a part of the examples (it gives "
                    f"{self._tokenizer.unk_token} instead): use one that knows all of it"
                )
            answer = ids[split.prompt_lengths[index] + split.cot_lengths[index] + 1 :]
            if ANSWER_MARK not in decode(self._tokenizer, answer):
                raise UserError(
                    f"the tokenizer does not give '{ANSWER_MARK}' back: choose one that knows '#'"
                )
            back = decode_example(self._tokenizer, split, index)
            for field in ("input", "cot", "answer"):
                text, found = getattr(example, field).replace(MARK, ""), getattr(back, field)
                if _symbols(text) != _symbols(found):
                    raise UserError(
                        f"the tokenizer does not give the examples back ('{text[:SHOWN]}' becomes "
                        f"'{found[:SHOWN]}'): use one that knows all of it"
                    )
                blanks = blanks or len(text.split()) > 1
                kept = kept or len(found.split()) > 1
        if blanks and not kept:
            raise UserError(
                "the tokenizer loses the blanks of the examples, so that '1 23' and '12 3' would "
                "be the same: use one that keeps them"
            )

    def _by_table(self, chunk: Chunk) -> NDArray[np.uint32] | None:
        text = chunk.text.replace(MARK_BYTE, b"") if chunk.marked else chunk.text
        marked = mark_regular(text)
        table = self._table(symbols_of(marked)) if marked else None
        if marked is None or table is None:
            return None
        tokens = table.encode(marked)
        first_line = chunk.text[: chunk.text.index(b"\n") + 1]
        sample, _ = self._by_tokenizer(replace(chunk, text=first_line))
        return tokens if np.array_equal(tokens[: len(sample)], sample) else None

    def _table(self, symbols: bytes) -> ByteTable | None:
        for known, table in self._tables.items():
            if set(symbols) <= set(known):
                return table
        self._tables[symbols] = ByteTable.learn(self._tokenizer, symbols)
        return self._tables[symbols]

    def _by_tokenizer(self, chunk: Chunk) -> tuple[NDArray[np.uint32], Marks]:
        parts = [np.zeros(0, dtype=np.uint32)]
        rows: list[int] = []
        before: list[int] = []
        row = 0
        for numbers, texts, places in self._batches(chunk):
            try:
                encoded, counts = encode_marked(self._tokenizer, texts, places)
            except UnknownText as error:
                raise UserError(f"{chunk.where(numbers[error.index])}: {error}") from error
            for number, ids, marks in zip(numbers, encoded, counts, strict=True):
                found = self._separators.among(ids)
                if tuple(found) != self._separators or ids[-1] != self._separators.answer:
                    raise UserError(
                        f"{chunk.where(number)}: the text holds the tokenizer's separator "
                        f"{' or '.join(dict.fromkeys(self._marks))}; take it out"
                    )
                parts.append(np.array(ids, dtype=np.uint32))
                if marks:
                    begin = ids.index(self._separators.question) + 1
                    rows += [row] * len(marks)
                    before += [count - begin for count in marks]
                row += 1
        return np.concatenate(parts), (np.array(rows, np.int64), np.array(before, np.int64))

    def _batches(self, chunk: Chunk) -> Iterator[tuple[list[int], list[str], list[list[int]]]]:
        """Line numbers, layouts, and where in them steps end; LINES_AT_ONCE at a time."""
        examples = chunk_examples(chunk)
        while some := list(islice(examples, LINES_AT_ONCE)):
            texts, places = [], []
            for _, example in some:
                *ended, last = example.cot.split(MARK) if chunk.marked else [example.cot]
                begin = len(f" {example.input} {self._marks[0]} ")
                places.append(list(accumulate(map(len, ended), initial=begin))[1:])
                texts.append(layout(replace(example, cot="".join([*ended, last])), self._marks))
            yield [number for number, _ in some], texts, places


def _symbols(text: str) -> str:
    """A text without blanks, however its characters are composed."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def layout(example: Example, marks: tuple[str, str, str]) -> str:
    """The whole text of an example, as it is tokenised; `marks` are its separators."""
    x, z, y = example.input, example.cot, example.answer
    question, cot, answer = marks
    return f" {x} {question} {z} {cot} {ANSWER_MARK} {y} {answer}"


def split_at_separators(
    tokens: NDArray[np.uint16] | NDArray[np.uint32], separators: Separators
) -> EncodedSplit:
    """The borders of examples that stand one after another with three separators each."""
    first, second, third = np.flatnonzero(np.isin(tokens, separators)).reshape(-1, 3).T
    starts = np.concatenate([[0], third + 1]).astype(np.int64)
    prompt_lengths = (first + 1 - starts[:-1]).astype(np.int32)
    return EncodedSplit(tokens, starts, prompt_lengths, (second - first - 1).astype(np.int32))


def decode_example(
    tokenizer: "PreTrainedTokenizerBase", split: EncodedSplit, index: int
) -> Example:
    """One example of a split as text again."""
    ids, start = split.example(index), int(split.prompt_lengths[index])
    end = start + int(split.cot_lengths[index])
    x, z = decode(tokenizer, ids[: start - 1]), decode(tokenizer, ids[start:end])
    return Example(x, z, decode_answer(tokenizer, ids[end + 1 :]))


def decode_answer(tokenizer: "PreTrainedTokenizerBase", ids: NDArray[np.int64]) -> str:
    """The answer's text from what follows the second separator, ` #### {y} SEP`."""
    return decode(tokenizer, ids).removeprefix(ANSWER_MARK).strip()
