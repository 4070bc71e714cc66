"""Datasets that the `datasets` library reads: on the Hugging Face hub, or saved to a folder."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from icot_tui.data.json_rows import Row
from icot_tui.data.plain_numbers import Columns, plain_numbers
from icot_tui.data.readers import SPLIT_FILES
from icot_tui.errors import UserError, first_line

HUB = "hub:"
HUB_SECONDS = 20
BATCH = 4096
"""Rows in memory at once."""
SAVED_SPLITS = "dataset_dict.json"
SAVED = ("state.json", "dataset_info.json")
"""Files in a folder that `save_to_disk` has made, of several splits or of one."""
GUESSED = {"csv": ("int", "uint", "float", "bool"), "json": ("float",)}
"""Types that the library makes of texts and numbers of such files, which then are others."""


@dataclass(frozen=True)
class LoadedDataset:
    """One split of a dataset.

    title  as it is named in messages
    kind   what it is
    part   which of the split's rows, as in `train[:90%]`; "" for all. Its files don't tell
           (findings/datasets-slices-of-one-file.sh)
    """

    title: str
    kind: str
    _data: Any
    part: str = ""

    def files(self) -> list[Path]:
        """The files of its content, in order."""
        return [Path(file["filename"]) for file in self._data.cache_files]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Row numbers from 1, and rows; class labels by their names."""
        return enumerate(chain.from_iterable(map(_as_rows, self._batches())), start=1)

    def _batches(self) -> Iterator[dict[str, list[Any]]]:
        from datasets import ClassLabel

        plain = self._data.with_format(None)  # whatever format it was saved with
        labels = {
            name: dict(enumerate(feature.names))
            for name, feature in plain.features.items()
            if isinstance(feature, ClassLabel)
        }
        numbers = self._plain()
        for start in range(0, len(plain), BATCH):
            columns = plain[start : start + BATCH]
            named = {key: [*map(names.get, columns[key])] for key, names in labels.items()}
            written = {key: [*map(number, columns[key])] for key, number in numbers.items()}
            yield columns | named | written

    @property
    def has_plain_numbers(self) -> bool:
        """Are some of its numbers not read as `datasets` reads them?"""
        return bool(self._plain())

    def _plain(self) -> Columns:
        return plain_numbers(self._data.features.arrow_schema)

    def doubts(self, columns: Iterable[str]) -> list[str]:
        """Which of these columns hold values of a type that was guessed, a sentence each."""
        builder = self._data.info.builder_name or ""
        types = {name: str(getattr(self._data.features[name], "dtype", "")) for name in columns}
        return [
            f"{self.title}: the datasets library took the column {name} of {builder.upper()} files "
            f"for {kind}, which changes texts and numbers (007 becomes 7, 72 may become 72.0): "
            "give the files themselves, of the hub downloaded ones"
            for name, kind in types.items()
            if kind.startswith(GUESSED.get(builder, ()))
        ]


def _as_rows(columns: dict[str, list[Any]]) -> Iterator[Row]:
    return (
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    )


def open_dataset(source: str, split: str) -> LoadedDataset | None:
    """The split of `hub:NAME:SUBSET@SPLIT` or of a saved dataset; None of other sources.

    Raises:
        UserError: it can't be had, or has no such split.
    """
    if source.startswith(HUB):
        named, _, chosen = source.removeprefix(HUB).partition("@")
        name, _, subset = named.partition(":")
        return _on_hub(name, subset or None, chosen or split)
    folder = Path(source).expanduser()
    if (folder / SAVED_SPLITS).is_file() or all((folder / name).is_file() for name in SAVED):
        return _saved(folder, split)
    return None


def _on_hub(name: str, subset: str | None, split: str) -> LoadedDataset:
    try:
        data = _load_dataset(name, subset, split)
    except Exception as error:  # whatever third-party loaders raise, the cause is the name
        raise UserError(
            f"the dataset '{name}', split {split}, is not available on the Hugging Face hub "
            f"({first_line(error)}): check its name, subset and split (hub:NAME:SUBSET@SPLIT), the "
            "network, and your access to it"
        ) from error
    return LoadedDataset(f"{name} ({split})", "a dataset", data, split if "[" in split else "")


def _saved(folder: Path, split: str) -> LoadedDataset:
    """The split of that name, or else the only one whose name begins as its files' names do."""
    from datasets import load_from_disk

    try:
        data = load_from_disk(folder, keep_in_memory=False)
    except Exception as error:  # of whatever kind: third-party code, and files of any content
        raise UserError(f"{folder} is a damaged dataset ({first_line(error)})") from error
    if not isinstance(data, dict):
        return LoadedDataset(str(folder), "a saved dataset", data)
    found = [name for name in data if name.startswith(SPLIT_FILES[split])]
    if split in data:
        found = [split]
    if len(found) != 1:
        raise UserError(
            f"{folder} has no {split} split, only {', '.join(data) or 'none'}: name the folder of "
            "one, which lies in it"
        )
    return LoadedDataset(f"{folder} ({found[0]})", "a saved dataset", data[found[0]])


@cache
def _load_dataset(name: str, subset: str | None, split: str) -> Any:
    """A dataset, or its downloaded copy where the hub cannot be reached.

    The loader itself would try for half a minute first (findings/datasets-unreachable-hub.sh).
    """
    from datasets import load_dataset
    from huggingface_hub import constants, dataset_info

    load = partial(load_dataset, name, subset, split=split, keep_in_memory=False)

    try:
        dataset_info(name, timeout=HUB_SECONDS)
    except Exception:
        online, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
        try:
            with suppress(Exception):
                return load()
        finally:
            constants.HF_HUB_OFFLINE = online
        raise
    return load()
