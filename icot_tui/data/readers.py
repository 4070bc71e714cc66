"""Rows of JSON, JSON lines, CSV and Parquet files, of folders of such, and of datasets on the hub.

Values are those of the file: `datasets` guesses types (007 becomes 7, 72 beside a blank 72.0, a
year a date; findings/datasets-csv-answers.sh), so it reads only what is on the hub, typed already.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from icot_tui.errors import UserError
from icot_tui.files import file_head, refuse_wrong_kind

Row = dict[str, Any]
HUB = "hub:"
HUB_SECONDS = 20
SUFFIXES = (".txt", ".json", ".jsonl", ".csv", ".tsv", ".parquet")
SPLIT_FILES = {
    "train": ("train",),
    "validation": ("valid", "dev"),
    "test": ("test",),
    "ood": ("ood",),
}
"""How the names of a folder's files begin, by split."""
BATCH = 4096
"""Rows of a Parquet file or a dataset in memory at once."""


def kind_of(path: Path) -> str:
    """What a file holds, by its content, and a CSV file by its name; text if nothing else.

    Raises:
        UserError: it cannot be read, or holds no examples at all: a pointer, a page, an archive.
    """
    head = file_head(path)
    if head.startswith(b"PAR1"):
        return "Parquet"
    refuse_wrong_kind(path, head)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"{", b"[") and start[1:].lstrip()[:1] in (b'"', b"{", b"}", b"]"):
        return "JSON"
    return "CSV" if path.suffix in (".csv", ".tsv") else "text"


def split_files(folder: Path, split: str) -> list[Path]:
    """The files of a split in a folder or in its folder `data`; a UserError if there are none."""
    files = [path for path in chain(folder.iterdir(), folder.glob("data/*")) if path.is_file()]
    begins = SPLIT_FILES[split]
    found = sorted(p for p in files if p.name.startswith(begins) and p.suffix in SUFFIXES)
    if not found:
        there = ", ".join(sorted(path.name for path in files)[:8]) or "no files"
        raise UserError(
            f"{folder} has no {split} file, whose name begins with '{begins[0]}' and ends with "
            f"{', '.join(SUFFIXES)}; it has {there}"
        )
    return found


def read_rows(path: Path, kind: str) -> Iterator[tuple[int, Row]]:
    """Row numbers from 1, and rows of a file that is no text.

    Raises:
        UserError: it is damaged, or its rows are no tables of columns; file and row are named.
    """
    rows = {"JSON": _json_rows, "CSV": _csv_rows, "Parquet": _parquet_rows}[kind](path)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: columns are missing, it is {_short(row)}")
        yield number, row


def _json_rows(path: Path) -> Iterator[Any]:
    with open(path, "rb") as file:
        first = file.readline().removeprefix(b"\xef\xbb\xbf")
        try:
            row = msgspec.json.decode(first)
        except (msgspec.DecodeError, RecursionError):
            row = None  # one value over several lines
        if isinstance(row, dict) and not _is_table(row) and not _is_prontoqa(row):
            yield from _json_lines(path, chain([first], file))
        else:
            yield from _json_list(path, first + file.read())


def _json_lines(path: Path, lines: Iterable[bytes]) -> Iterator[Any]:
    for number, line in enumerate(filter(bytes.strip, lines), start=1):
        try:
            yield msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UserError(f"{path}, row {number}: {_reason(error)}") from error


def _json_list(path: Path, text: bytes) -> Iterable[Any]:
    """Rows of a list, of a list under the only key, of one list a column, or of ProntoQA."""
    try:
        whole = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"{path}: {_reason(error)}") from error
    if not isinstance(whole, dict):
        return whole if isinstance(whole, list) else [whole]
    if _is_prontoqa(whole):
        return map(_prontoqa_row, whole.values())
    if not _is_table(whole):
        return [whole]
    lists = list(whole.values())
    if len(lists) == 1:
        return list(lists[0])
    if len({*map(len, lists)}) > 1:
        raise UserError(f"{path}: its columns {', '.join(whole)} have different lengths")
    return (dict(zip(whole, values, strict=True)) for values in zip(*lists, strict=True))


def _is_table(row: Row) -> bool:
    return bool(row) and all(isinstance(value, list) for value in row.values())


def _is_prontoqa(whole: Row) -> bool:
    """Is it as ProntoQA's generator writes it, an example under each of the keys?"""
    return bool(whole) and all(
        isinstance(value, dict) and isinstance(value.get("test_example"), dict)
        for value in whole.values()
    )


def _prontoqa_row(value: Row) -> Row:
    """The example that is asked, whose question is told in two columns."""
    row: Row = value["test_example"]
    if isinstance(row.get("question"), str) and isinstance(row.get("query"), str):
        return row | {"question": f"{row['question']} {row['query']}"}
    return row


def _csv_rows(path: Path) -> Iterator[Any]:
    delimiter = "\t" if path.suffix == ".tsv" else ","
    number = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file, delimiter=delimiter), start=1):
                if None in row:
                    raise UserError(f"{path}, row {number}: it has more fields than the header")
                yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}, row {number + 1}: it cannot be read ({error})") from error


def _parquet_rows(path: Path) -> Iterator[Any]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                yield from batch.to_pylist()
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} is a damaged Parquet file ({_reason(error)})") from error


class HubDataset:
    """One split of a dataset on the Hugging Face hub: `hub:NAME`, `hub:NAME:SUBSET@SPLIT`."""

    def __init__(self, source: str, split: str) -> None:
        named, _, chosen = source.removeprefix(HUB).partition("@")
        self._name, _, subset = named.partition(":")
        self._subset, self._split = subset or None, chosen or split

    @property
    def title(self) -> str:
        """As it is named in messages."""
        return f"{self._name} ({self._split})"

    def files(self) -> list[Path]:
        """Its downloaded files, whose content it is."""
        return [Path(file["filename"]) for file in self._load().cache_files]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Row numbers from 1, and rows; a UserError if it cannot be had."""
        dataset = self._load()
        batches = (dataset[at : at + BATCH] for at in range(0, len(dataset), BATCH))
        rows = (
            dict(zip(b, row, strict=True)) for b in batches for row in zip(*b.values(), strict=True)
        )
        return enumerate(rows, start=1)

    def _load(self) -> Any:
        try:
            return _load_dataset(self._name, self._subset, self._split)
        except Exception as error:  # whatever third-party loaders raise, the cause is the name
            raise UserError(
                f"the dataset '{self._name}', split {self._split}, is not available on the "
                f"Hugging Face hub ({_reason(error)}): check its name, subset and split "
                "(hub:NAME:SUBSET@SPLIT), the network, and your access to it"
            ) from error


@cache
def _load_dataset(name: str, subset: str | None, split: str) -> Any:
    """A dataset, or its downloaded copy where the hub cannot be reached.

    The loader itself would try for half a minute first (findings/datasets-unreachable-hub.sh).
    """
    from datasets import load_dataset
    from huggingface_hub import constants, dataset_info

    try:
        dataset_info(name, timeout=HUB_SECONDS)
    except Exception:
        online, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
        try:
            with suppress(Exception):
                return load_dataset(name, subset, split=split)
        finally:
            constants.HF_HUB_OFFLINE = online
        raise
    return load_dataset(name, subset, split=split)


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
