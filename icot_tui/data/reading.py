"""Examples of any source: a text file, a file or folder of rows, a dataset on the hub."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from icot_tui.config.sections import ColumnsConfig, DataConfig
from icot_tui.data.columns import ColumnFormat, recognize
from icot_tui.data.examples import CHUNK_BYTES, Chunk, limited, line_of, read_chunks
from icot_tui.data.readers import HUB, HubDataset, Row, kind_of, read_rows, split_files
from icot_tui.data.steps import MARK_BYTE, StepRule
from icot_tui.errors import UserError
from icot_tui.units import Unit

READER_VERSION = 1
"""To be raised when the same rows would become other text."""


@dataclass
class ExampleReader:
    """Reads one source, as often as is needed.

    source   a file, a folder with a file for each split, or `hub:NAME:SUBSET@SPLIT`
    split    which split of a folder or dataset
    columns  of rows, where they are not recognized
    rule     the ends of steps are marked, those of chains that are text by it; None: none are
    """

    source: str
    split: str = "train"
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    rule: StepRule | None = None
    _formats: dict[str, str] = field(default_factory=dict)
    _examples: int = 0
    _steps: int = 0

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
        self._formats, self._examples, self._steps = {}, 0, 0
        yield from limited(self._chunks(), limit)

    def _chunks(self) -> Iterator[Chunk]:
        if self.source.startswith(HUB):
            dataset = HubDataset(self.source, self.split)
            yield from self._converted(dataset.title, "a dataset", dataset.rows())
            return
        for path in self.files():
            kind = kind_of(path)
            if kind == "text":
                for chunk in read_chunks(path):
                    yield chunk if self.rule is None else _marked(chunk, self.rule)
            else:
                yield from self._converted(str(path), kind, read_rows(path, kind))

    def files(self) -> list[Path]:
        """The files that hold the source."""
        if self.source.startswith(HUB):
            return HubDataset(self.source, self.split).files()
        path = Path(self.source).expanduser()
        return split_files(path, self.split) if path.is_dir() else [path]

    def identity(self) -> object:
        """All that the text depends on: the file's content, and for rows how they are read."""
        digests = [_digest(path) for path in self.files()]
        if len(digests) == 1 and not self.source.startswith(HUB):
            is_text = kind_of(self.files()[0]) == "text"  # known by its content alone since 0.1
            return digests[0] if is_text else [*digests, self.columns.model_dump(), READER_VERSION]
        return [digests, self.columns.model_dump(), READER_VERSION]

    def told(self) -> list[str]:
        """What the latest reading took the source for; nothing of text."""
        steps = f"{self._steps / max(self._examples, 1):.1f} steps"
        return [
            f"{name} is read as {title}: {self._examples:,} examples, {steps}"
            for name, title in self._formats.items()
        ]

    def _converted(self, name: str, kind: str, rows: Iterator[tuple[int, Row]]) -> Iterator[Chunk]:
        """Rows as chunks of lines."""
        form: ColumnFormat | None = None
        lines: list[bytes] = []
        first = size = 0
        for number, row in rows:
            where = f"{name}, row {number}"
            form = form or recognize(row, self.columns, where)
            example, steps = form.example(row, where, self.rule)
            self._examples += 1
            self._steps += steps
            line = line_of(example)
            if self.rule is not None and MARK_BYTE not in line:
                line = self.rule.mark(line)
            lines.append(line)
            first, size = first or number, size + len(lines[-1])
            if size >= CHUNK_BYTES:
                yield Chunk(b"".join(lines), name, first, "row", self.rule is not None)
                lines, first, size = [], 0, 0
        if form is None:
            raise UserError(f"{name} has no rows: give one with examples")
        self._formats[name] = form.title if kind in form.title else f"{form.title}, {kind}"
        if lines:
            yield Chunk(b"".join(lines), name, first, "row", self.rule is not None)


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
