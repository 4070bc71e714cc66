"""Text with one example a line, `input||chain of thought #### answer`, read in bounded memory."""

import codecs
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icot_tui.errors import UserError
from icot_tui.files import refuse_wrong_kind

INPUT_END = "||"
ANSWER_MARK = "####"
SHAPE = "input||chain of thought #### answer"
CHUNK_BYTES = 1 << 21


@dataclass(frozen=True)
class Example:
    """The three spans of one example, without blanks around them; `cot` may be empty."""

    input: str
    cot: str
    answer: str


def parse_line(line: str, where: str) -> Example:
    """Read one line in the published text format (docs/method.md).

    Args:
        line: without its line end.
        where: named in errors, e.g. "train.txt, line 7".

    Raises:
        UserError: the line is not `input||chain of thought #### answer`.
    """
    fields = line.split(INPUT_END)
    if len(fields) == 1:
        raise UserError(f"{where}: '||' is missing after the input; a line is {SHAPE}")
    if len(fields) > 2:
        raise UserError(f"{where}: '||' stands there more than once; a line is {SHAPE}")
    question, rest = fields
    if ANSWER_MARK in question:
        raise UserError(f"{where}: '####' stands before '||'; a line is {SHAPE}")
    if ANSWER_MARK not in rest:
        raise UserError(f"{where}: ' #### ' is missing before the answer; a line is {SHAPE}")
    if rest.count(ANSWER_MARK) > 1:
        raise UserError(f"{where}: '####' stands there more than once; a line is {SHAPE}")
    cot, _, answer = rest.partition(ANSWER_MARK)
    if not question.strip():
        raise UserError(f"{where}: the input before '||' is empty; a line is {SHAPE}")
    if not answer.strip():
        raise UserError(f"{where}: the answer after '####' is empty; a line is {SHAPE}")
    if (cot and not cot.endswith(" ")) or not answer.startswith(" "):
        raise UserError(f"{where}: '####' needs a blank before and after it; a line is {SHAPE}")
    return Example(question.strip(), cot.strip(), answer.strip())


def format_line(example: Example) -> str:
    """The line, without its line end, that `parse_line` reads back."""
    cot = example.cot and example.cot + " "
    return f"{example.input}{INPUT_END}{cot}{ANSWER_MARK} {example.answer}"


def read_lines(path: Path, limit: int | None = None) -> Iterator[tuple[int, Example]]:
    """Line numbers (from 1) and examples of a file, streaming; lines of blanks are passed over.

    Raises:
        UserError: the file cannot be read, or a line is not an example.
    """
    for chunk in read_chunks(path, limit):
        for number, line in numbered_lines(chunk):
            yield number, parse_line(line, f"{chunk.source}, line {number}")


@dataclass(frozen=True)
class Chunk:
    """Whole lines, each ended by one newline.

    text        UTF-8, not yet checked; no byte order mark, no carriage return before a newline
    source      file or task, named in errors
    first_line  number of the first line, from 1
    """

    text: bytes
    source: str
    first_line: int


def read_chunks(path: Path, limit: int | None = None) -> Iterator[Chunk]:
    """The lines of a file, at most `limit` of them (lines of blanks do not count).

    Raises:
        UserError: the file is missing, unreadable or empty.
    """
    first_line, left = 1, limit
    for text in _blocks(path):
        chunk = Chunk(text, str(path), first_line)
        if left is not None:
            chunk, left = _cut(chunk, left)
        yield chunk
        if left == 0:
            return
        first_line += text.count(b"\n")
    if first_line == 1:
        raise UserError(f"{path} has no lines: give a file with one example a line")


def numbered_lines(chunk: Chunk) -> Iterator[tuple[int, str]]:
    """Line numbers and lines without their ends; lines of blanks are passed over.

    Raises:
        UserError: a line is not UTF-8.
    """
    for number, line in enumerate(chunk.text.split(b"\n"), chunk.first_line):
        if line and not line.isspace():
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{chunk.source}, line {number}: byte {error.start + 1} is not UTF-8; "
                    "save the file as UTF-8"
                ) from error


def characters(chunks: Iterable[Chunk]) -> set[str]:
    """All characters of the text but blanks, newlines and the two marks of the format."""
    found: set[str] = set()
    for chunk in chunks:
        text = chunk.text.replace(b"||", b"").replace(b"####", b"")
        if text.isascii():
            counts = np.bincount(np.frombuffer(text, dtype=np.uint8), minlength=128)
            found.update(map(chr, np.flatnonzero(counts).tolist()))
        else:
            found.update(*(set(line) for _, line in numbered_lines(replace(chunk, text=text))))
    return found - {" ", "\n"}


def input_hashes(chunks: Iterable[Chunk]) -> NDArray[np.int64]:
    """[N] hashes of the inputs, to count equal ones in 8 bytes each; good in this process only."""
    parts = [
        np.fromiter(
            (
                hash(line.partition(b"||")[0].strip())
                for line in chunk.text.split(b"\n")
                if line and not line.isspace()
            ),
            dtype=np.int64,
        )
        for chunk in chunks
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _cut(chunk: Chunk, limit: int) -> tuple[Chunk, int]:
    """The first `limit` lines that are not blank, and how many are still wanted."""
    lines = chunk.text.split(b"\n")[:-1]
    full = [at for at, line in enumerate(lines) if line and not line.isspace()]
    if len(full) < limit:
        return chunk, limit - len(full)
    text = b"".join(line + b"\n" for line in lines[: full[limit - 1] + 1])
    return Chunk(text, chunk.source, chunk.first_line), 0


def _blocks(path: Path) -> Iterator[bytes]:
    """About CHUNK_BYTES of whole lines at a time, with plain line ends."""
    try:
        with open(path, "rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0, os.SEEK_SET)
            refuse_wrong_kind(path, file.peek())
            while text := file.read(CHUNK_BYTES):
                text += file.readline()
                yield _plain(text)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: check the path") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path} cannot be read ({reason}): give a readable text file") from error


def _plain(text: bytes) -> bytes:
    return (text if text.endswith(b"\n") else text + b"\n").replace(b"\r\n", b"\n")
