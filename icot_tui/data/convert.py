"""Examples of any source written as one file: text, JSON lines or Parquet."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from icot_tui.data.examples import Example, chunk_examples, line_of
from icot_tui.data.reading import ExampleReader
from icot_tui.errors import UserError

Form = Literal["text", "jsonl", "parquet"]
SUFFIXES: dict[Form, str] = {"text": ".txt", "jsonl": ".jsonl", "parquet": ".parquet"}
ROWS = 4096
"""Rows of Parquet written at once."""


def convert(reader: ExampleReader, form: Form, out: Path, force: bool = False) -> int:
    """Write the examples of a source to a file, and give their number.

    Rows have the columns question, cot and answer. The file appears when it is complete.

    Raises:
        UserError: a row is no example, the file is there already, or it cannot be written.
    """
    if out.exists() and not force:
        raise UserError(f"{out} is there already: give --force to replace it, or another --out")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    write: dict[Form, Callable[[Path, Iterator[Example]], int]] = {
        "text": _write_text,
        "jsonl": _write_json_lines,
        "parquet": _write_parquet,
    }
    numbered = chain.from_iterable(map(chunk_examples, reader.chunks()))
    try:
        written = write[form](part, (example for _, example in numbered))
        os.replace(part, out)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{out} cannot be written ({reason}): give another --out", 1) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return written


def _write_text(path: Path, examples: Iterator[Example]) -> int:
    with open(path, "wb") as file:
        return sum(1 for example in examples if file.write(line_of(example)))


def _write_json_lines(path: Path, examples: Iterator[Example]) -> int:
    with open(path, "w", encoding="utf-8") as file:
        lines = (json.dumps(_columns(example), ensure_ascii=False) + "\n" for example in examples)
        return sum(1 for line in lines if file.write(line))


def _write_parquet(path: Path, examples: Iterator[Example]) -> int:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([(name, pa.string()) for name in ("question", "cot", "answer")])
    count = 0
    with ParquetWriter(path, schema) as writer:
        while rows := [_columns(example) for example in islice(examples, ROWS)]:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
    return count


def _columns(example: Example) -> dict[str, str]:
    return {"question": example.input, "cot": example.cot, "answer": example.answer}
