"""Finding checkpoints: by folder, or of a run by stage, age or accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from icot_tui.engine.checkpoints.checkpoint import (
    CheckpointPath,
    OpenedCheckpoint,
    list_checkpoints,
    open_checkpoint,
)
from icot_tui.engine.evaluation.removal_plans import max_cot_tokens
from icot_tui.engine.journal.events import Evaluated, PhaseBegan, StepsTrained
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError

BEST, LATEST = "best", "latest"
MUTE = ("student", "emulator")
"""Trainings of ICoT-KD whose checkpoints hold one half of the pair that answers."""


@dataclass(frozen=True)
class Entry:
    """One checkpoint of a run.

    stage        tokens removed
    exact_match  of its training's evaluation at its step; None without one
    implicit     was everything removed?
    best         the best of those that answer: implicit ones before others, then by exact match
    latest       the newest
    phase        which of ICoT-KD's trainings wrote it; empty in runs of one
    """

    path: Path
    step: int
    stage: int
    exact_match: float | None
    implicit: bool
    best: bool = False
    latest: bool = False
    phase: str = ""

    @property
    def answers(self) -> bool:
        """Is it more than one half of ICoT-KD's pair?"""
        return self.phase not in MUTE

    @property
    def label(self) -> str:
        """Short name: the run, and what tells its checkpoints apart."""
        return f"{self.path.parent.parent.name}@{self.stage} ({self.path.name})"


def catalogue(run: RunFolder) -> list[Entry]:
    """All checkpoints of a run, sorted by stage and then by age."""
    results, most = _results(run), max_cot_tokens(run)
    found = [
        entry
        for checkpoint in list_checkpoints(run.checkpoints)
        if (entry := _entry(checkpoint, results, most)) is not None
    ]
    if not found:
        return []
    newest = found[-1].path
    rated = [entry for entry in found if entry.answers and entry.exact_match is not None]
    best = max(rated, key=_rank).path if rated else None
    marked = [replace(e, best=e.path == best, latest=e.path == newest) for e in found]
    return sorted(marked, key=lambda entry: entry.stage)


def _results(run: RunFolder) -> dict[tuple[str, int], float | None]:
    """Exact match by training and step: what one ends with, the next begins with.

    A step is evaluated once: where a run went back, the later line stands.
    """
    pairs = JournalReader(run.journal).events()
    phase = ""
    found: dict[tuple[str, int], float | None] = {}
    for _, event in effective(pair for pair in pairs if not isinstance(pair[1], StepsTrained)):
        if isinstance(event, PhaseBegan):
            phase = event.phase
        elif isinstance(event, Evaluated):
            found[phase, event.step] = event.exact_match
    return found


def _rank(entry: Entry) -> tuple[bool, float]:
    return entry.implicit, entry.exact_match or 0.0


def _entry(
    checkpoint: CheckpointPath, results: dict[tuple[str, int], float | None], most: int | None
) -> Entry | None:
    try:
        stage = checkpoint.stage
    except (OSError, ValueError, KeyError, TypeError):
        return None  # deleted or damaged meanwhile
    phase = checkpoint.phase.partition("-")[2]
    accuracy = results.get((phase, checkpoint.step))
    implicit = most is not None and stage >= most
    return Entry(checkpoint.path, checkpoint.step, stage, accuracy, implicit, phase=phase)


def find_checkpoint(name: str, runs: Path) -> Path:
    """The folder that `name` means.

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
    return chosen(RunFolder(folder), which)


def _folder(name: str, runs: Path) -> Path | None:
    for path in (Path(name).expanduser(), runs / name):
        if name and path.is_dir():
            return path
    return None


def chosen(run: RunFolder, which: str) -> Path:
    """A run's checkpoint by `best`, `latest`, a stage, a training, or its folder's name.

    Raises:
        UserError: it has none such.
    """
    if which == LATEST:  # the newest may be damaged: let the opening look for a whole one
        return run.path
    entries = catalogue(run)
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
        stages = ", ".join(map(str, sorted({entry.stage for entry in entries})))
        phases = ", ".join(dict.fromkeys(entry.phase for entry in entries if entry.phase))
        known = f"its stages are {stages}" + (f", its trainings {phases}" if phases else "")
        raise UserError(f"run {run.name} has no checkpoint '@{which}': {known}")
    return found[-1].path


def one_per_stage(entries: Sequence[Entry]) -> list[Entry]:
    """The newest checkpoint of each stage that answers."""
    return list({entry.stage: entry for entry in entries if entry.answers}.values())


def open_safely(path: Path) -> OpenedCheckpoint:
    """Open a checkpoint that may be written or deleted at this moment.

    Raises:
        UserError: it is damaged, gone, not finished, or no model's folder.
    """
    if path.name.startswith((".writing-", ".deleting-")):
        raise UserError(f"checkpoint {path} is being written or deleted: take another one")
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
