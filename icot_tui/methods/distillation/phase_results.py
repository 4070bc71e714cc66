"""What a training left behind: the checkpoint that others build on."""

from pathlib import Path

from icot_tui.engine.checkpoints.checkpoint import (
    MANIFEST,
    CheckpointPath,
    best_checkpoint,
    list_checkpoints,
    newest_verified,
    verify,
)
from icot_tui.engine.run_folder import runs_folder
from icot_tui.errors import UserError
from icot_tui.methods.distillation.parts import part_settings


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
    last = next((one for one in reversed(holding) if verify(one.path) is None), None)
    if last is None:
        raise UserError(f"run {folder.parent.name} has no whole checkpoint with a {part}")
    best_step = last.state()["run"]["best"]["step"]
    named = best_checkpoint(folder, last.phase)
    # The state in the last checkpoint is from before its own evaluation.
    if named is not None and named.step in (best_step, last.step):
        return named.path
    for one in holding:
        if one.phase == last.phase and one.step == best_step and verify(one.path) is None:
            return one.path
    return last.path


def _holds(checkpoint: CheckpointPath, part: str) -> bool:
    try:
        held = part_settings(checkpoint.path)
    except UserError:  # damaged
        return False
    return not held if part == "teacher" else part in held
