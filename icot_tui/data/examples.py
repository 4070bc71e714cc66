"""One example a line: `input||chain of thought #### answer`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from icot_tui.data.chunks import numbered_lines, read_chunks
from icot_tui.errors import UserError

INPUT_END = "||"
ANSWER_MARK = "####"
SHAPE = "input||chain of thought #### answer"


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
