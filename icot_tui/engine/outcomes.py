"""What a training left behind: the checkpoint that others build on."""

from pathlib import Path

from icot_tui.engine.checkpoint import (
    MANIFEST,
    CheckpointPath,
    list_checkpoints,
    newest_verified,
    verify,
)
from icot_tui.engine.parts import part_settings
from icot_tui.engine.run_folder import runs_folder
from icot_tui.errors import UserError


def find_outcome(given: str, part: str) -> Path:
    """The checkpoint folder of a model that was trained before.

    Args:
        given: a checkpoint folder, or a run by folder or name.
        part: "teacher", "student" or "emulator".

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = Path(given).expanduser()
    if not path.is_dir() and (runs_folder() / given).is_dir():
        path = runs_folder() / given
    if not path.is_dir():
        raise UserError(
            f"distillation.from_{part}: there is no checkpoint folder and no run '{given}'"
        )
    if (path / "checkpoints").is_dir():
        return _of_run(path / "checkpoints", part)
    if (path / MANIFEST).is_file() and (problem := verify(path)):
        raise UserError(f"checkpoint {path} cannot be used: {problem}")
    return path


def _of_run(folder: Path, part: str) -> Path:
    """The best of the newest training that has the model."""
    newest, complaints = newest_verified(folder)
    if newest is None:
        raise UserError(". ".join([f"{folder.parent} has no whole checkpoint", *complaints]))
    outcome: str | None = newest.state()["run"].get("outcomes", {}).get(part)
    if outcome is not None and verify(folder / outcome) is None:
        return folder / outcome
    holding = [one for one in list_checkpoints(folder) if _holds(one, part)]
    if not holding:
        raise UserError(f"run {folder.parent.name} has no {part}")
    last = holding[-1]
    best_step = last.state()["run"]["best"]["step"]
    best = [one for one in holding if one.phase == last.phase and one.step == best_step]
    for checkpoint in [*best, *reversed(holding)]:
        if verify(checkpoint.path) is None:
            return checkpoint.path
    raise UserError(f"run {folder.parent.name} has no whole checkpoint with a {part}")


def _holds(checkpoint: CheckpointPath, part: str) -> bool:
    held = part_settings(checkpoint.path)
    return not held if part == "teacher" else part in held
