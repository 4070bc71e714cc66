"""Files that others made, known by their first bytes; new folders, whole or not there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icot_tui.errors import UserError

LFS_POINTER = b"version https://git-lfs"
_KINDS = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "packed with gzip",
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
}
_HEAD = 32
"""Bytes at the start of a file by which its kind is known."""


def refuse_lfs_pointer(path: Path) -> None:
    """Refuse the few lines that a clone without Git LFS has in place of a large file.

    Raises:
        UserError: it is such a file.
    """
    if path.is_file():
        with path.open("rb") as file:
            _refuse_pointer(path, file.read(_HEAD))


def file_head(path: Path) -> bytes:
    """The first bytes of a file; a UserError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4 * _HEAD)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: check the path") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path} cannot be read ({reason}): give a readable file") from error


def refuse_wrong_kind(path: Path, head: bytes) -> None:
    """Refuse a file that is no text, named for what it is, by its first bytes.

    Raises:
        UserError: it is another kind of file.
    """
    _refuse_pointer(path, head)
    for mark, kind in _KINDS.items():
        if head[: len(mark)].lower() == mark.lower():
            raise UserError(
                f"{path} is {kind}: give a text file with one example 'input||cot #### answer' "
                "a line"
            )


def _refuse_pointer(path: Path, head: bytes) -> None:
    if head.startswith(LFS_POINTER):
        raise UserError(
            f"{path} is a Git LFS pointer, not the file: run 'git lfs pull' in its folder"
        )


@contextmanager
def put_in_place(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place once all is written, and else is removed.

    Raises:
        UserError: `out` is there already, or can't be written.
    """
    if out.exists():
        raise UserError(f"{out} is there already: name a new folder with --out")
    beside = out.with_name(f".writing-{out.name}")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        beside.replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}", 1) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
