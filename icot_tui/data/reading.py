"""Examples of any source: a text file, a file or folder of rows, a dataset on the hub."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from icot_tui.config.sections import ColumnsConfig, DataConfig
from icot_tui.data.columns import ColumnFormat, recognize
from icot_tui.data.examples import CHUNK_BYTES, Chunk, limited, line_of, read_chunks
from icot_tui.data.json_rows import Row
from icot_tui.data.library import LoadedDataset, open_dataset
from icot_tui.data.plain_numbers import VERSION as PLAIN_NUMBERS
from icot_tui.data.readers import has_plain_numbers, kind_of, read_rows, split_files
from icot_tui.data.steps import MARK_BYTE, StepRule
from icot_tui.errors import UserError
from icot_tui.formatting import count
from icot_tui.units import Unit

READER_VERSION = 2
"""To be raised when the same rows would become other text."""


@dataclass
class ExampleReader:
    """Reads one source, as often as is needed.

    source   a file, a folder with files for each split, a folder that `save_to_disk` of the
             `datasets` library made, or `hub:NAME:SUBSET@SPLIT`
    split    which split of a folder or dataset
    columns  of rows, where they are not recognized
    rule     the ends of steps are marked, those of chains that are text by it; None: none are
    """

    source: str
    split: str = "train"
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    rule: StepRule | None = None
    _parts: list["_Part"] = field(default_factory=list)

    @classmethod
    def of(cls, source: str, split: str, config: DataConfig | None, unit: Unit) -> "ExampleReader":
        """Reads columns and steps as a config says, if there is one."""
        columns = ColumnsConfig() if config is None else config.columns
        rule = StepRule(None if config is None else config.step_end)
        return cls(source, split, columns, rule if unit == "step" else None)

    def chunks(self, limit: int | None = None) -> Iterator[Chunk]:
        """The examples as lines of text, at most `limit` of them.

        Raises:
            UserError: the source is missing or unreadable, or a line or row is no example.
        """
        self._parts = []
        yield from limited(self._chunks(), limit)

    def _chunks(self) -> Iterator[Chunk]:
        if (dataset := open_dataset(self.source, self.split)) is not None:
            yield from self._converted(_Part(dataset.title, dataset.kind), dataset.rows(), dataset)
            return
        for path in self.files():
            kind = kind_of(path)
            if kind == "text":
                for chunk in read_chunks(path):
                    yield chunk if self.rule is None else _marked(chunk, self.rule)
            else:
                yield from self._converted(_Part(str(path), kind), read_rows(path, kind))

    def files(self) -> list[Path]:
        """The files that hold the source."""
        if (dataset := open_dataset(self.source, self.split)) is not None:
            return dataset.files()
        path = Path(self.source).expanduser()
        return split_files(path, self.split) if path.is_dir() else [path]

    def identity(self) -> object:
        """All that the text depends on: the file's content, and for rows how they are read."""
        dataset = open_dataset(self.source, self.split)
        files, how = self.files(), [self.columns.model_dump(), READER_VERSION]
        digests = [_digest(path) for path in files]
        if dataset is not None and dataset.part:
            how.append(dataset.part)
        if any(map(has_plain_numbers, files)) if dataset is None else dataset.has_plain_numbers:
            how.append(PLAIN_NUMBERS)
        if len(files) == 1 and dataset is None:
            is_text = kind_of(files[0]) == "text"  # known by its content alone since 0.1
            return digests[0] if is_text else [*digests, *how]
        return [digests, *how]

    def told(self) -> list[str]:
        """What the latest reading took the source for, and what is doubtful; nothing of text."""
        return [sentence for part in self._parts for sentence in part.told()]

    def _converted(
        self, part: "_Part", rows: Iterator[tuple[int, Row]], dataset: LoadedDataset | None = None
    ) -> Iterator[Chunk]:
        """Rows as chunks of lines."""
        form: ColumnFormat | None = None
        lines: list[bytes] = []
        first = size = 0
        for number, row in rows:
            where = f"{part.name}, row {number}"
            if form is None:
                form = recognize(row, self.columns, where)
                part.form, part.doubts = form, dataset.doubts(form.columns) if dataset else []
                self._parts.append(part)
            example, steps = form.example(row, where, self.rule)
            part.examples += 1
            part.steps += steps
            line = line_of(example)
            if self.rule is not None and MARK_BYTE not in line:
                line = self.rule.mark(line)
            lines.append(line)
            first, size = first or number, size + len(lines[-1])
            if size >= CHUNK_BYTES:
                yield Chunk(b"".join(lines), part.name, first, "row", self.rule is not None)
                lines, first, size = [], 0, 0
        if form is None:
            raise UserError(f"{part.name} has no rows: give one with examples")
        part.finished = True
        if lines:
            yield Chunk(b"".join(lines), part.name, first, "row", self.rule is not None)


@dataclass
class _Part:
    """A file or dataset of rows, and what it was taken for."""

    name: str
    kind: str
    form: ColumnFormat | None = None
    doubts: list[str] = field(default_factory=list)
    examples: int = 0
    steps: int = 0
    finished: bool = False

    def told(self) -> list[str]:
        """A sentence on what it is read as, with its counts if it was read to its end."""
        assert self.form is not None, "it has rows"
        title = self.form.title
        told = f"{self.name} is read as {title}{f', {self.kind}' * (self.kind not in title)}"
        if self.finished:
            mean = f"{self.steps / self.examples:.1f} steps"
            told += f": {count(self.examples, 'example')}, {mean}"
        return [told, *self.doubts]


def _digest(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        next(read_chunks(path))  # says what is wrong
        raise


def _marked(chunk: Chunk, rule: StepRule) -> Chunk:
    before, mark, _ = chunk.text.partition(MARK_BYTE)
    if mark:
        where = chunk.where(chunk.first_line + before.count(b"\n"))
        raise UserError(
            f"{where}: it holds ASCII's unit separator (0x1f), which marks the steps here: take "
            "it out"
        )
    return replace(chunk, text=rule.mark(chunk.text), marked=True)
