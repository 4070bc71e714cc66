"""Runs under another name, and out of the way."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icot_tui.engine.run_folder import LATEST, RunFolder
from icot_tui.errors import UserError
from icot_tui.formatting import listed

TRASH = ".trash"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""What a config's `name` allows."""


def rename_run(run: RunFolder, name: str) -> RunFolder:
    """Give a run's folder another name; its config keeps the name that it was begun with.

    Raises:
        UserError: the name can't be one or is taken, a trainer is at work, or it can't be written.
    """
    path = Path(os.path.abspath(run.path))
    target = _free(path.parent, name, f"'icot-tui runs rename {run.name} NAME'")
    with _moving(run):
        path.rename(target)
    return RunFolder(target)


def delete_run(run: RunFolder) -> Path:
    """Move a run's folder into the trash beside it, and return where it is now.

    Raises:
        UserError: a trainer is at work, or the folder can't be moved.
    """
    path = Path(os.path.abspath(run.path))
    trash = path.parent / TRASH
    with _moving(run):
        trash.mkdir(exist_ok=True)
        target, number = trash / path.name, 1
        while os.path.lexists(target):
            number += 1
            target = trash / f"{path.name}-{number}"
        path.rename(target)
    return target


def trashed(runs: Path) -> list[RunFolder]:
    """The runs in the trash of a folder, the newest first."""
    return RunFolder.all_even_damaged(runs / TRASH)


def restore_run(runs: Path, trashed_as: str, name: str | None = None) -> RunFolder:
    """Move a run out of the trash, under the name that it has there or another.

    Raises:
        UserError: there is none, the name can't be one or is taken, or the folder can't be moved.
    """
    known = [run.name for run in trashed(runs)]
    if trashed_as not in known:
        there = f"; there are {listed(known)}" if known else ", which is empty"
        raise UserError(f"there is no run '{trashed_as}' in the trash{there}")
    run = RunFolder(runs / TRASH / trashed_as)
    target = _free(runs, name or trashed_as, f"'icot-tui runs restore {trashed_as} NAME'")
    with _moving(run):
        run.path.rename(target)
    return RunFolder(target)


def _free(runs: Path, name: str, another: str) -> Path:
    """Where a run of this name would be; a `UserError` if it can't be one or is taken."""
    if not NAME.fullmatch(name) or name == LATEST:
        raise UserError(
            f"'{name}' can't be a run's name: letters, digits, dots, underscores and hyphens, up "
            f"to 80, and not '{LATEST}'"
        )
    if os.path.lexists(runs / name):
        raise UserError(f"{runs / name} is there already: choose another name with {another}")
    return runs / name


def refuse_training(run: RunFolder, locked: bool) -> None:
    """A `UserError` if a trainer is at work."""
    if locked:
        holder = run.holder() or "another process"
        raise UserError(
            f"run {run.name} is being trained by {holder}: stop it first with "
            f"'icot-tui ctl stop --run {run.name}'"
        )


@contextmanager
def _moving(run: RunFolder) -> Iterator[None]:
    """Keep trainers out meanwhile; what goes wrong is a `UserError`."""
    with run.without_trainer() as idle:
        refuse_training(run, not idle)
        try:
            yield
        except OSError as error:
            raise UserError(f"cannot move {run.path}: {error.strerror or error}", 1) from error
