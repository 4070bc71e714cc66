"""Files that others made, known by their first bytes; new folders, whole or not there."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from icot_tui.errors import UserError

LFS_POINTER = b"version https://git-lfs"
_ARROW = "an Arrow file (of a dataset that save_to_disk made, give the folder)"
_KINDS = {
    b"PAR1": "a Parquet file",
    b"ARROW1": _ARROW,
    b"\xff\xff\xff\xff": _ARROW,
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
                f"{path} is {kind}: give text with an example 'input||cot #### answer' a line, "
                "JSON, CSV or Parquet"
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


def make_own_folder(path: Path) -> None:
    """Make a folder that is to be written into, if it is not there.

    Raises:
        OSError: it can't be made, or something else has its name; a link to a folder is none.
    """
    with suppress(FileExistsError):
        path.mkdir()
    mode = path.lstat().st_mode
    if not stat.S_ISDIR(mode):
        raise OSError(errno.ENOTDIR, f"it is {kind_of(mode)}, not a folder", str(path))


def open_file(
    path: str | Path, flags: int = os.O_RDONLY, folder: int | None = None, mode: int = 0o666
) -> int:
    """Open a file that others may have made: the gate to all that lies in run folders.

    Only regular files are opened, so that nothing is waited for and no device is touched. What is
    opened for writing, or in an open `folder`, is the file itself: no link is followed.

    Args:
        path: where it is.
        flags: of `os.open`.
        folder: an open folder that a relative path begins at.
        mode: of a file that is made.

    Raises:
        OSError: it is no such file, or can't be opened.
    """
    follows = folder is None and not flags & (os.O_WRONLY | os.O_RDWR)
    with suppress(FileNotFoundError):
        _refuse_odd(os.stat(path, dir_fd=folder, follow_symlinks=follows), path)
    flags |= os.O_NONBLOCK | os.O_CLOEXEC | (0 if follows else os.O_NOFOLLOW)
    file = os.open(path, flags, mode, dir_fd=folder)
    try:
        _refuse_odd(os.fstat(file), path)  # it may have been replaced meanwhile
    except OSError:
        os.close(file)
        raise
    return file


def _refuse_odd(found: os.stat_result, path: str | Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"it is {kind_of(found.st_mode)}, not a file", str(path))


def kind_of(mode: int) -> str:
    """What there is in place of a file, in words, by its `st_mode`."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFREG: "a file",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def read_file(path: Path, most: int) -> bytes:
    """A file of at most so many bytes, through `open_file`.

    Raises:
        OSError: it is none, is larger, or can't be read.
    """
    with open(open_file(path), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def refuse_odd_files(folder: Path) -> None:
    """Refuse a model's folder with pipes, devices and the like, which libraries would wait for.

    Raises:
        UserError: it has one.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # a link to nothing is missing where it is needed
            try:
                mode = path.stat().st_mode
            except OSError as error:
                raise UserError(f"{path} cannot be read: {error.strerror}") from error
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise UserError(f"{path} is {kind_of(mode)}, not a file: remove it")


def remove_tree(path: Path) -> None:
    """Delete a folder with all that is in it, or whatever else has its name; links lead nowhere."""
    with suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)


def read_small(path: Path, most: int) -> bytes | None:
    """As `read_file`; None for what can't be read."""
    try:
        return read_file(path, most)
    except OSError:
        return None


def write_atomically(path: Path, text: str | bytes, own_folder: bool = False) -> None:
    """Write a small file so that readers see the old one or the new one, never a part.

    A link of that name is replaced, not followed. With `own_folder`, its folder is none either.

    Raises:
        OSError: the folder is a link, or can't be written.
    """
    content = text.encode() if isinstance(text, str) else text
    beside = f".{path.name}.{os.getpid()}"
    only = os.O_NOFOLLOW if own_folder else 0
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | only)
    try:
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=folder)
        new = open_file(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)
        with open(new, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(OSError):
            os.unlink(beside, dir_fd=folder)
        os.close(folder)
