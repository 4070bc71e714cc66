"""Finding and opening checkpoints: by folder, or of a run by stage, age or accuracy."""

from collections.abc import Sequence
from pathlib import Path

from icot_tui.analysis.checkpoint_entries import run_entries
from icot_tui.engine.checkpoints.checkpoint import BEST, LATEST, OpenedCheckpoint
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.opening import open_checkpoint


def find_checkpoint(name: str, runs: Path) -> Path:
    """The folder of a checkpoint.

    Args:
        name: a checkpoint's folder; or a run (name or folder), alone for its newest checkpoint, or
            followed by `@best`, `@latest`, `@STAGE` (the newest of that stage), `@teacher` or
            `@coupled` (of ICoT-KD) or `@step-...`.
        runs: where runs lie.

    Raises:
        UserError: there is no such checkpoint.
    """
    folder, which = _folder(name, runs), LATEST
    if folder is None and "@" in name:
        front, _, which = name.rpartition("@")
        folder = _folder(front, runs)
    if folder is None:
        known = ", ".join(run.name for run in RunFolder.all(runs)[:5])
        raise UserError(
            f"there is no checkpoint folder and no run '{name}'"
            + (f" (runs in {runs}: {known})" if known else f", and no run in {runs}")
        )
    if not (folder / "config.toml").is_file():
        return folder
    return choose_checkpoint(RunFolder(folder), which)


def find_sources(names: Sequence[str], runs: Path) -> list[Path]:
    """Folders of runs and checkpoints by their names; without names, the latest run.

    Raises:
        UserError: there is none of that name.
    """
    if not names:
        return [RunFolder.find(runs, None).path]
    return [_folder(name, runs) or find_checkpoint(name, runs) for name in names]


def _folder(name: str, runs: Path) -> Path | None:
    for path in (Path(name).expanduser(), runs / name):
        if name and path.is_dir():
            return path
    return None


def choose_checkpoint(run: RunFolder, which: str) -> Path:
    """A run's checkpoint by `best`, `latest`, a stage, a training, or its folder's name.

    Raises:
        UserError: the run has no such checkpoint.
    """
    if which == LATEST:  # opening it falls back to an older one if the newest is damaged
        return run.path
    entries = run_entries(run)
    if not entries:
        raise UserError(f"run {run.name} has no checkpoint yet")
    if which == BEST:
        found = [entry for entry in entries if entry.best]
        if not found:
            raise UserError(f"no checkpoint of run {run.name} was evaluated yet: use @latest")
    else:
        named = [e for e in entries if which and which in (e.phase, e.path.name)]
        found = named or [e for e in entries if e.answers and which == str(e.stage)]
    if not found:
        stages = ", ".join(map(str, sorted({entry.stage or 0 for entry in entries})))
        phases = ", ".join(dict.fromkeys(entry.phase for entry in entries if entry.phase))
        known = f"its stages are {stages}" + (f", its trainings {phases}" if phases else "")
        raise UserError(f"run {run.name} has no checkpoint '@{which}': {known}")
    return found[-1].path


def open_safely(path: Path) -> OpenedCheckpoint:
    """Open a checkpoint that may be written or deleted at this moment.

    Raises:
        UserError: it is damaged, gone, not finished, or no model's folder.
    """
    if path.name.startswith((".writing-", ".deleting-")):
        raise UserError(f"checkpoint {path} is being written or deleted: choose another one")
    try:
        opened = open_checkpoint(path)
    except UserError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"checkpoint {path} cannot be read: is it still there?") from error
    if opened.tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {path} has no end-of-text token")
    if len(opened.tokenizer) > opened.model.get_input_embeddings().weight.shape[0]:
        raise UserError(f"the tokenizer in {opened.path} has more tokens than the model")
    return opened


def stage_of(opened: OpenedCheckpoint) -> int | None:
    """Tokens removed when it was written; None for a folder that no run wrote."""
    return None if opened.state is None else int(opened.state["curriculum"]["stage"])


def run_of(opened: OpenedCheckpoint) -> RunFolder | None:
    """The run that a checkpoint belongs to."""
    return None if opened.config is None else RunFolder(opened.path.parent.parent)
