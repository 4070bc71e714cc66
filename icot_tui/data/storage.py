"""Encoded splits on disk: plain .npy files, written piece by piece and read memory-mapped."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from icot_tui.data.encoded import EncodedSplit

MANIFEST = "manifest.json"
PARTS = ("tokens", "starts", "prompt_lengths", "cot_lengths")


def write_split(folder: Path, name: str, parts: Iterable[EncodedSplit], dtype: DTypeLike) -> int:
    """Write consecutive pieces of a split as one, with no more than a piece of it in memory.

    Args:
        folder: where; the files are `{name}-tokens.npy` and the three borders.
        name: train, validation or test.
        parts: the pieces.
        dtype: of the tokens.

    Returns:
        Number of examples.
    """
    lengths, prompts, cots = [], [], []
    with open(_file(folder, name, "tokens"), "wb") as file:
        _write_header(file, dtype, 0)
        for part in parts:
            file.write(part.tokens.astype(dtype).data)
            lengths.append(part.lengths)
            prompts.append(part.prompt_lengths)
            cots.append(part.cot_lengths)
        starts = np.concatenate([[0], *lengths]).cumsum(dtype=np.int64)
        file.seek(0)
        _write_header(file, dtype, int(starts[-1]))  # the header leaves room for any count
    _save(_file(folder, name, "starts"), starts)
    _save(_file(folder, name, "prompt_lengths"), _joined(prompts))
    _save(_file(folder, name, "cot_lengths"), _joined(cots))
    return len(starts) - 1


def read_split(folder: Path, name: str) -> EncodedSplit:
    """The split, memory-mapped."""
    arrays = (np.load(_file(folder, name, part), mmap_mode="r") for part in PARTS)
    return EncodedSplit(*(array.view(np.ndarray) for array in arrays))


def seal(folder: Path, facts: dict[str, object]) -> None:
    """Write the manifest, facts and the sizes of all files, and force everything to disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({**facts, "sizes": sizes}, indent=1), encoding="utf-8")
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in [*files, manifest, *folders]:
        force_to_disk(path)


def sealed_facts(folder: Path) -> dict[str, object] | None:
    """The facts of a sealed folder; None if it is not there, not whole, or a size is wrong."""
    try:
        facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in facts["sizes"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return facts if whole else None


def force_to_disk(path: Path) -> None:
    """fsync of a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file(folder: Path, name: str, part: str) -> Path:
    return folder / f"{name}-{part}.npy"


def _save(path: Path, array: NDArray[np.int64] | NDArray[np.int32]) -> None:
    with open(path, "wb") as file:
        _write_header(file, array.dtype, len(array))
        file.write(array.data)  # np.save would not say that the disk is full


def _write_header(file: BinaryIO, dtype: DTypeLike, count: int) -> None:
    header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
    npy.write_array_header_1_0(file, {**header, "shape": (count,)})


def _joined(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(0, dtype=np.int32), *parts])
