"""Files that others made, known by their first bytes; new folders, whole or not there."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def read_small(path: Path, most: int) -> bytes | None:
    """A small file that others may have made; None for one that is missing, larger, or no file.

    No link is followed, and nothing is waited for.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(most + 1) if regular else None
    except OSError:
        return None
    return None if content is None or len(content) > most else content


def write_small(folder: Path, name: str, text: str) -> None:
    """Write a small file into a folder that others may have made, whole or not at all.

    No link is followed: one of that name is replaced.

    Raises:
        OSError: the folder is a link, or can't be written.
    """
    beside = f".{name}.{os.getpid()}"
    into = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=into)
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(beside, new, 0o644, dir_fd=into), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, name, src_dir_fd=into, dst_dir_fd=into)
    finally:
        with suppress(OSError):
            os.unlink(beside, dir_fd=into)
        os.close(into)
