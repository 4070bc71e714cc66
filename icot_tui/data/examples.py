"""Text with one example a line, `input||chain of thought #### answer`, read in bounded memory."""

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np

from icot_tui.data.steps import MARK
from icot_tui.errors import UserError
from icot_tui.files import refuse_wrong_kind

INPUT_END = "||"
ANSWER_MARK = "####"
SHAPE = "input||chain of thought #### answer"
CHUNK_BYTES = 1 << 21
LONGEST = 1 << 20
"""Characters of a line or of a column; a longer one is some mistake."""
NOT_UTF8 = "it is not UTF-8; save the file as UTF-8"
_UNUSABLE = re.compile(r"(?![0-9])\d|[\ud800-\udfff]")


@dataclass(frozen=True)
class Example:
    """The three spans of one example, without blanks around them; `cot` may be empty."""

    input: str
    cot: str
    answer: str


def parse_line(line: str, where: str) -> Example:
    """Read one line, without its end, in the published text format (docs/method.md).

    Raises:
        UserError: the line, which `where` names, is not `input||chain of thought #### answer`.
    """
    if problem := flaw(line):
        raise UserError(f"{where}: {problem}")
    question, _, rest = line.partition(INPUT_END)
    cot, _, answer = rest.partition(ANSWER_MARK)
    if problem := _problem(line, question, cot, answer):
        raise UserError(f"{where}: {problem}; a line is {SHAPE}")
    return Example(question.strip(), cot.strip(), answer.strip())


def line_of(example: Example) -> bytes:
    """The line of an example, with its end."""
    cot = f"{example.cot} " if example.cot else ""
    return f"{example.input}{INPUT_END}{cot}{ANSWER_MARK} {example.answer}\n".encode()


def flaw(text: str) -> str | None:
    """What makes a text unusable in any part of an example; None if nothing does."""
    if len(text) > LONGEST:
        return f"it has {len(text):,} characters, more than {LONGEST:,}"
    found = None if text.isascii() else _UNUSABLE.search(text)
    if found is None:
        return None
    if found[0].isdecimal():
        return f"'{found[0]}' is a digit of another script; write 0 to 9"
    return NOT_UTF8


def _problem(line: str, question: str, cot: str, answer: str) -> str | None:
    """What is wrong with a line."""
    ends = line.count(INPUT_END)
    if ends != 1:
        return f"'||' {'stands there more than once' if ends else 'is missing after the input'}"
    if ANSWER_MARK in question:
        return "'####' stands before '||'"
    if ANSWER_MARK not in line:
        return "' #### ' is missing before the answer"
    if ANSWER_MARK in answer:
        return "'####' stands there more than once"
    if not question.strip():
        return "the input before '||' is empty"
    if not answer.strip():
        return "the answer after '####' is empty"
    if (cot and not cot.endswith(" ")) or not answer.startswith(" "):
        return "'####' needs a blank before and after it"
    return None


def read_lines(path: Path, limit: int | None = None) -> Iterator[tuple[int, Example]]:
    """`chunk_examples` of a whole file, streaming; a UserError if it cannot be read."""
    for chunk in read_chunks(path, limit):
        yield from chunk_examples(chunk)


def chunk_examples(chunk: "Chunk") -> Iterator[tuple[int, Example]]:
    """Line numbers from 1, and examples; blank lines are left out. A UserError names a bad line."""
    for number, line in numbered_lines(chunk):
        yield number, parse_line(line, chunk.where(number))


@dataclass(frozen=True)
class Chunk:
    """Whole lines, each ended by one newline.

    text        UTF-8, not yet checked; no byte order mark, no carriage return before a newline
    source      file or task, named in errors
    first_line  number of the first line, from 1
    unit        what the source calls a line: line, or row
    marked      `data.steps.MARK` follows each step; else it is a character as any other
    """

    text: bytes
    source: str
    first_line: int
    unit: str = "line"
    marked: bool = False

    def lines(self) -> Iterator[bytes]:
        """Each with its newline; a carriage return within one is a blank as any other."""
        return iter(BytesIO(self.text))

    def where(self, number: int) -> str:
        """A line, as errors name it."""
        return f"{self.source}, {self.unit} {number}"


def read_chunks(path: Path, limit: int | None = None) -> Iterator[Chunk]:
    """The lines of a file, at most `limit` of them (lines of blanks do not count).

    Raises:
        UserError: the file is missing, unreadable or empty.
    """
    yield from limited(_file_chunks(path), limit)


def _file_chunks(path: Path) -> Iterator[Chunk]:
    first_line = 1
    for text in _blocks(path):
        if len(text) > CHUNK_BYTES + 4 * LONGEST:
            number = first_line + text.count(b"\n", 0, CHUNK_BYTES)
            raise UserError(f"{path}, line {number}: it has more than {LONGEST:,} characters")
        yield Chunk(text, str(path), first_line)
        first_line += text.count(b"\n")
    if first_line == 1:
        raise UserError(f"{path} has no lines: give a file with one example a line")


def limited(chunks: Iterable[Chunk], limit: int | None) -> Iterator[Chunk]:
    """The first `limit` lines of chunks; None: all. Lines of blanks do not count."""
    for chunk in chunks:
        if limit is not None:
            chunk, limit = _cut(chunk, limit)
        yield chunk
        if limit == 0:
            return


def numbered_lines(chunk: Chunk) -> Iterator[tuple[int, str]]:
    """Line numbers, and lines without their ends, blank ones left out; a UserError if not UTF-8."""
    for number, line in enumerate(chunk.text.split(b"\n"), chunk.first_line):
        if line.strip():
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{chunk.where(number)}: byte {error.start + 1} is not UTF-8; "
                    "save the file as UTF-8"
                ) from error


def characters(chunks: Iterable[Chunk]) -> set[str]:
    """All characters of the text but blanks, newlines and the marks of the format and of steps."""
    found: set[str] = set()
    for chunk in chunks:
        text = chunk.text.replace(b"||", b"").replace(b"####", b"")
        if text.isascii():
            counts = np.bincount(np.frombuffer(text, dtype=np.uint8), minlength=128)
            found.update(map(chr, np.flatnonzero(counts).tolist()))
        else:
            found.update(*(set(line) for _, line in numbered_lines(replace(chunk, text=text))))
    return found - {" ", "\n", MARK}


def _cut(chunk: Chunk, limit: int) -> tuple[Chunk, int]:
    """The first `limit` lines that are not blank, and how many are still wanted."""
    lines = chunk.text.split(b"\n")[:-1]
    full = [at for at, line in enumerate(lines) if line.strip()]
    if len(full) < limit:
        return chunk, limit - len(full)
    text = b"".join(line + b"\n" for line in lines[: full[limit - 1] + 1])
    return replace(chunk, text=text), 0


def _blocks(path: Path) -> Iterator[bytes]:
    """About CHUNK_BYTES of whole lines at a time, with plain line ends."""
    try:
        with open(path, "rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0, os.SEEK_SET)
            refuse_wrong_kind(path, file.peek())
            while text := file.read(CHUNK_BYTES):
                text += file.readline(4 * LONGEST + 1)  # UTF-8 has up to four bytes a character
                yield _plain(text)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: check the path") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path} cannot be read ({reason}): give a readable text file") from error


def _plain(text: bytes) -> bytes:
    return (text if text.endswith(b"\n") else text + b"\n").replace(b"\r\n", b"\n")
