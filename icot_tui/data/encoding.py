"""Lines of text -> token ids in the layout ` {x} SEP {z} SEP #### {y} SEP` (docs/method.md)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.byte_table import ByteTable, mark_regular, symbols_of
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.examples import ANSWER_MARK, Chunk, Example, numbered_lines, parse_line
from icot_tui.data.tokenizing import UnknownCharacter, decode, encode_texts, separator_id
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LINES_AT_ONCE = 1024
"""Lines handed to the tokenizer together."""


class Encoder:
    """Encodes chunks of lines, by table where the tokenizer allows it.

    Args:
        tokenizer: with an end-of-text token.
        fast: False always asks the tokenizer, for tests and comparisons.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", fast: bool = True) -> None:
        self.dtype = np.dtype(np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32)
        self._tokenizer = tokenizer
        self._separator_id = separator_id(tokenizer)
        self._fast = fast
        self._tables: dict[bytes, ByteTable | None] = {}

    def encode(self, chunk: Chunk) -> EncodedSplit:
        """The examples of a chunk, in memory.

        Raises:
            UserError: a line is not an example, or the tokenizer cannot take it.
        """
        tokens = self._by_table(chunk) if self._fast else None
        if tokens is None:
            tokens = self._by_tokenizer(chunk)
        return split_at_separators(tokens.astype(self.dtype), self._separator_id)

    def _by_table(self, chunk: Chunk) -> NDArray[np.uint32] | None:
        marked = mark_regular(chunk.text)
        table = self._table(symbols_of(marked)) if marked else None
        if marked is None or table is None:
            return None
        tokens = table.encode(marked)
        first_line = chunk.text[: chunk.text.index(b"\n") + 1]
        sample = self._by_tokenizer(Chunk(first_line, chunk.source, chunk.first_line))
        return tokens if np.array_equal(tokens[: len(sample)], sample) else None

    def _table(self, symbols: bytes) -> ByteTable | None:
        for known, table in self._tables.items():
            if set(symbols) <= set(known):
                return table
        self._tables[symbols] = ByteTable.learn(self._tokenizer, symbols)
        return self._tables[symbols]

    def _by_tokenizer(self, chunk: Chunk) -> NDArray[np.uint32]:
        parts = [np.zeros(0, dtype=np.uint32)]
        for numbers, texts in self._batches(chunk):
            try:
                encoded = encode_texts(self._tokenizer, texts)
            except UnknownCharacter as error:
                where = f"{chunk.source}, line {numbers[error.index]}"
                raise UserError(f"{where}: {error}") from error
            for number, ids in zip(numbers, encoded, strict=True):
                if ids.count(self._separator_id) != 3 or ids[-1] != self._separator_id:
                    raise UserError(
                        f"{chunk.source}, line {number}: the text holds the tokenizer's separator "
                        f"{self._tokenizer.eos_token}; take it out"
                    )
                parts.append(np.array(ids, dtype=np.uint32))
        return np.concatenate(parts)

    def _batches(self, chunk: Chunk) -> Iterator[tuple[list[int], list[str]]]:
        """Line numbers and layouts, LINES_AT_ONCE at a time."""
        numbers: list[int] = []
        texts: list[str] = []
        for number, line in numbered_lines(chunk):
            example = parse_line(line, f"{chunk.source}, line {number}")
            numbers.append(number)
            texts.append(layout(example, str(self._tokenizer.eos_token)))
            if len(texts) == LINES_AT_ONCE:
                yield numbers, texts
                numbers, texts = [], []
        if texts:
            yield numbers, texts


def layout(example: Example, separator: str) -> str:
    """The whole text of an example, as it is tokenised."""
    x, z, y = example.input, example.cot, example.answer
    return f" {x} {separator} {z} {separator} {ANSWER_MARK} {y} {separator}"


def split_at_separators(
    tokens: NDArray[np.uint16] | NDArray[np.uint32], separator: int
) -> EncodedSplit:
    """The borders of examples that stand one after another with three separators each."""
    first, second, third = np.flatnonzero(tokens == separator).reshape(-1, 3).T
    starts = np.concatenate([[0], third + 1]).astype(np.int64)
    return EncodedSplit(
        tokens,
        starts,
        (first + 1 - starts[:-1]).astype(np.int32),
        (second - first - 1).astype(np.int32),
    )


def decode_example(
    tokenizer: "PreTrainedTokenizerBase", split: EncodedSplit, index: int
) -> Example:
    """One example of a split as text again."""
    ids = split.example(index)
    cot_start = int(split.prompt_lengths[index])
    cot_end = cot_start + int(split.cot_lengths[index])
    return Example(
        decode(tokenizer, ids[: cot_start - 1]),
        decode(tokenizer, ids[cot_start:cot_end]),
        decode_answer(tokenizer, ids[cot_end + 1 :]),
    )


def decode_answer(tokenizer: "PreTrainedTokenizerBase", ids: NDArray[np.int64]) -> str:
    """The answer's text from what follows the second separator, ` #### {y} SEP`."""
    return decode(tokenizer, ids).removeprefix(ANSWER_MARK).strip()
