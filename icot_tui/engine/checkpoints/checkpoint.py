"""Checkpoints: ordinary `save_pretrained` folders that are complete or not there at all.

    step-00001200/
      config.json, model.safetensors, tokenizer files   as transformers writes them
      optimizer.safetensors                              the optimizer's moments by parameter name
      state.json                                         everything else that must survive
      manifest.json                                      size and SHA-256 of each file

A checkpoint is written under another name, flushed to disk, and renamed; only then does `latest`
name it, and only then may older ones be deleted. `best` names the one that did best when it was
evaluated, which was after it had been written. Nothing in a checkpoint is a pickle.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icot_tui.data.cache import force_to_disk, forcing_to_disk
from icot_tui.engine.checkpoints.state import LARGEST, STATE, VERSION, read_state
from icot_tui.engine.run_folder import BEST, LATEST, RunFolder
from icot_tui.errors import UserError
from icot_tui.files import (
    make_own_folder,
    open_file,
    read_file,
    read_small,
    remove_tree,
    write_atomically,
)

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.json"
OPTIMIZER = "optimizer.safetensors"
THOUGHTS = "thoughts.safetensors"
_NAME = re.compile(r"step-(\d{8,})(?:-r(\d+))?(?:-(\d-[a-z]+))?")


def checkpoint_name(step: int, rollbacks: int, phase: str = "") -> str:
    """The folder's name; a rollback starts a new branch of the run's history.

    In runs of several trainings, `phase` is a training's number and name, such as "2-student": the
    last checkpoint of one and the first of the next are of the same step.
    """
    branch = f"-r{rollbacks}" if rollbacks else ""
    return f"step-{step:08d}{branch}" + (f"-{phase}" if phase else "")


@dataclass(frozen=True, order=True)
class CheckpointPath:
    """A checkpoint folder, ordered by age."""

    step: int
    rollbacks: int
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def phase(self) -> str:
        """Which training it belongs to; empty in runs of one."""
        match = _NAME.fullmatch(self.name)
        return (match and match[3]) or ""

    def state(self) -> dict[str, Any]:
        """What `read_state` knows, with its errors."""
        return read_state(self.path)[0]

    @property
    def stage(self) -> int:
        """Tokens removed when it was written."""
        return int(self.state()["curriculum"]["stage"])


def list_checkpoints(folder: Path, phase: str | None = None) -> list[CheckpointPath]:
    """All complete-looking checkpoints of a run, or of one phase of it, oldest first."""
    return [one for one in named_checkpoints(folder, phase) if (one.path / MANIFEST).is_file()]


def named_checkpoints(folder: Path, phase: str | None = None) -> list[CheckpointPath]:
    """The same with those that lack their manifest: written whole, and damaged since."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if (match := _NAME.fullmatch(path.name)) and path.is_dir():
            found.append(CheckpointPath(int(match[1]), int(match[2] or 0), path))
    return sorted(found if phase is None else [one for one in found if one.phase == phase])


def best_or_newest(folder: Path, best_step: int | None) -> CheckpointPath | None:
    """A run's checkpoint of the step that did best, or else the newest; None if there is none."""
    checkpoints = list_checkpoints(folder)
    best = [checkpoint for checkpoint in checkpoints if checkpoint.step == best_step]
    return max(best or checkpoints, default=None)


def write_checkpoint(
    folder: Path, name: str, state: dict[str, Any], write_files: Callable[[Path], None], needed: int
) -> int:
    """Write one checkpoint so that a crash at any moment leaves it whole or absent.

    `write_files` writes the model, tokenizer and optimizer files into a folder; the disk must have
    the bytes `needed` for them, roughly. Returns the bytes written.

    Raises:
        OSError: no space, no permission, a failing disk, or the run was deleted meanwhile; nothing
            half-written is left.
    """
    from safetensors import SafetensorError

    make_own_folder(folder)  # a copy of a run may come without it
    free = shutil.disk_usage(folder).free
    if free < needed:
        sizes = f"{free / 1e6:,.0f} MB free, a checkpoint needs {needed / 1e6:,.0f} MB"
        raise OSError(errno.ENOSPC, f"the disk has {sizes}")
    beside, run = folder / f".writing-{name}", RunFolder(folder.parent)
    remove_checkpoint(beside)
    try:
        beside.mkdir()
        write_files(beside)
        (beside / STATE).write_text(json.dumps({"version": VERSION} | state))
        files = sorted(path for path in beside.rglob("*") if path.is_file())
        with forcing_to_disk() as force:
            force(*files)  # the disk writes while they are read again
            manifest = {str(path.relative_to(beside)): _fingerprint(path) for path in files}
            (beside / MANIFEST).write_text(json.dumps(manifest, indent=1))
            force(beside / MANIFEST, beside)
        if not any(path.exists() for path in (run.config, run.journal)):
            raise FileNotFoundError(errno.ENOENT, "the run was deleted", str(run.path))
        # One may be there: passed over as damaged, or made before a command at this very step.
        replaced = _set_aside(folder / name)
        os.replace(beside, folder / name)
        force_to_disk(folder)
    except BaseException as error:
        remove_checkpoint(beside)
        if isinstance(error, SafetensorError):  # its own kind, whatever the disk says
            raise OSError(str(error)) from error
        raise
    remove_tree(replaced)
    write_atomically(folder / LATEST, name + "\n", own_folder=True)
    return sum(int(entry["bytes"]) for entry in manifest.values())


def verify(checkpoint: Path) -> str | None:
    """None when every file is as it was written; otherwise what is wrong, in a few words."""
    try:
        manifest = json.loads(read_file(checkpoint / MANIFEST, LARGEST))
        for name, written in manifest.items():
            path = checkpoint / name
            if ".." in path.parts or os.path.isabs(name):
                return f"its manifest names {name}, which lies outside"
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != written["bytes"]:
                return f"{name} has {path.stat().st_size} bytes instead of {written['bytes']}"
            if _fingerprint(path) != written:
                return f"{name} was changed or damaged"
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"its manifest cannot be read ({type(error).__name__})"
    return None


def run_of(checkpoint: Path) -> RunFolder | None:
    """The run in whose folder a checkpoint lies that a run has written."""
    folder = checkpoint.resolve().parent
    run = RunFolder(folder.parent)
    written = folder.name == "checkpoints" and (checkpoint / STATE).is_file()
    return run if written and run.config.is_file() else None


def refuse_damaged(checkpoint: Path) -> None:
    """Refuse a checkpoint that is not as a run has written it; a folder of other origin may be.

    Raises:
        UserError: it has a manifest that it does not fit, or lies in its run and lacks one.
    """
    written = (checkpoint / MANIFEST).is_file() or run_of(checkpoint) is not None
    if written and (problem := verify(checkpoint)):
        raise UserError(f"checkpoint {checkpoint} cannot be used: {problem}")


def newest_verified(
    folder: Path, below_stage: int | None = None, phase: str | None = None
) -> tuple[CheckpointPath | None, list[str]]:
    """The newest checkpoint that is whole, and a sentence on each newer one that is not.

    With `below_stage`, only those with fewer tokens removed; with `phase`, only that one's.
    """
    complaints = []
    for checkpoint in reversed(named_checkpoints(folder, phase)):
        if problem := verify(checkpoint.path):
            complaints.append(f"checkpoint {checkpoint.name} is not used: {problem}")
        elif below_stage is None or checkpoint.stage < below_stage:
            return checkpoint, complaints
    return None, complaints


def stage_of(checkpoint: CheckpointPath) -> int | None:
    """Its stage; None where its state can't be read, damaged or deleted meanwhile."""
    try:
        return checkpoint.stage
    except (OSError, ValueError, KeyError, TypeError):
        return None


def best_checkpoint(folder: Path, phase: str) -> CheckpointPath | None:
    """The one that `best` names, if it is of this phase and whole."""
    name = (read_small(folder / BEST, LARGEST) or b"").decode(errors="replace").strip()
    named = [one for one in list_checkpoints(folder, phase) if one.name == name]
    return named[0] if named and verify(named[0].path) is None else None


def sweep(folder: Path) -> None:
    """Remove what an interrupted writing or deleting left behind."""
    for path in [*folder.glob(".writing-*"), *folder.glob(".deleting-*")]:
        remove_checkpoint(path)
    for pointer in (LATEST, BEST):
        for path in folder.glob(f".{pointer}.*"):
            path.unlink()


def save_tensors(tensors: dict[str, "Tensor"], path: Path) -> None:
    """Tensors by name as safetensors."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def load_tensors(path: Path) -> dict[str, "Tensor"]:
    """The opposite of `save_tensors`, on the CPU; a `UserError` if the file is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _fingerprint(path: Path) -> dict[str, Any]:
    with open(open_file(path), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def remove_checkpoint(path: Path) -> None:
    """Delete a folder; it stops being a checkpoint at once, however long the rest takes."""
    remove_tree(_set_aside(path))


def _set_aside(path: Path) -> Path:
    """Rename a checkpoint's folder, if it is there, so that it is none any more; the new path."""
    if not _NAME.fullmatch(path.name):
        return path
    gone = path.with_name(f".deleting-{path.name}")
    if path.is_dir():
        os.replace(path, gone)
    return gone
