"""Finished folders kept under a key, so that work on the same content is done once.

An entry appears under its name only when it is complete; several processes may ask at once.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from icot_tui.errors import UserError

FOLDER_VARIABLE = "ICOT_TUI_CACHE"
MANIFEST = "manifest.json"


def seal(folder: Path, facts: dict[str, object]) -> None:
    """Write the manifest, facts and the sizes of all files, and force everything to disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({**facts, "sizes": sizes}, indent=1), encoding="utf-8")
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    force_to_disk(*files, manifest, *folders)


def sealed_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of a sealed folder; None if it is not there, not whole, or a size is wrong."""
    try:
        facts: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in facts["sizes"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return facts if whole else None


def force_to_disk(*paths: Path) -> None:
    """fsync of files and folders, side by side: a disk writes several in little more time than one.

    Raises:
        OSError: one of them can't be written.
    """
    with forcing_to_disk() as force:
        force(*paths)


@contextmanager
def forcing_to_disk() -> Iterator[Callable[..., None]]:
    """Gives `force(*paths)`, which begins an fsync of each path; the end waits for all of them.

    Raises:
        OSError: one of them can't be written.
    """
    with ThreadPoolExecutor(16) as threads:
        begun: list[Future[None]] = []
        yield lambda *paths: begun.extend(threads.submit(_fsync, path) for path in paths)
        for one in begun:
            one.result()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cache_folder() -> Path:
    """$ICOT_TUI_CACHE, or the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("icot-tui") / "data"


def entry(key: str, build: Callable[[Path], None]) -> Path:
    """The folder of this key, built now if it is missing or damaged.

    The key stands for all that the content depends on. `build` fills an empty folder and seals it.

    Raises:
        UserError: no room or no permission to write; what was begun is removed.
    """
    folder = cache_folder()
    finished = folder / key
    if sealed_facts(finished) is not None:
        return finished
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_builder(folder, key) as alone:
            if sealed_facts(finished) is None:
                _build(finished, build, alone)
    except OSError as error:
        raise UserError(_why_not_written(folder, error), exit_status=1) from error
    return finished


def _build(finished: Path, build: Callable[[Path], None], alone: bool) -> None:
    if alone:  # then nobody is at work in what a killed process left behind
        for leftover in finished.parent.glob(f"{finished.name}.*.part"):
            _remove(leftover)
    scratch = finished.with_name(f"{finished.name}.{uuid4().hex}.part")
    scratch.mkdir()
    try:
        build(scratch)
        _move_into_place(scratch, finished)
    finally:
        _remove(scratch)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _move_into_place(scratch: Path, finished: Path) -> None:
    if sealed_facts(finished) is not None:
        return  # another process was faster
    if finished.exists():
        damaged = scratch.with_suffix(".damaged.part")
        os.rename(finished, damaged)
        _remove(damaged)
    os.rename(scratch, finished)
    force_to_disk(finished.parent)


@contextmanager
def _only_builder(folder: Path, key: str) -> Iterator[bool]:
    """Wait until no other process builds this entry; False where the disk knows no locks.

    Without locks two processes may do the same work, and the first to finish wins.
    """
    with open(folder / f"{key}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True


def _why_not_written(folder: Path, error: OSError) -> str:
    problem = f"the encoded data cannot be written to {folder} ({error.strerror or error})"
    advice = "make it writable, or set {} to another folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        problem = f"no room is left in {folder} for the encoded data"
        advice = "free some, or set {} to a folder on another disk"
    return f"{problem}: {advice.format(FOLDER_VARIABLE)}"
