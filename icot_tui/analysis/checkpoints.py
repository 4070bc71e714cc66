"""Lists of checkpoints, and finding one by stage, age or accuracy. Nothing needs PyTorch."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from icot_tui.config import RunConfig, load_config, method_of
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath, named_checkpoints, stage_of
from icot_tui.engine.checkpoints.description import read_description
from icot_tui.engine.journal.journal import greatest_stage
from icot_tui.engine.run_folder import BEST, LATEST, RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.distillation.config import PARTS
from icot_tui.watch.runs import read_run

PAIR = "coupled"  # the training of ICoT-KD that leaves student and emulator, which answer together
HALVES = ("student", "emulator")  # trainings of ICoT-KD whose checkpoints hold one half of the pair


@dataclass(frozen=True, kw_only=True)
class CheckpointEntry:
    """A checkpoint and what its run's files tell about it.

    run          name of its run; that of the folder where it belongs to none
    stage        tokens (or steps) removed; None where no run wrote it
    greatest_stage  of the run's greatest chain of thought; None where it is not known
    exact_match  of its training's evaluation at its step; None without one
    implicit     was everything removed?
    best         the best of those that answer: implicit ones before others, then by exact match
    latest       the newest
    mixed        was the run trained at all stages at once?
    is_control   was it trained without a chain of thought?
    task         what its data is made of, to find runs of the same task; empty without a run
    phase        which of ICoT-KD's trainings wrote it; empty in runs of one
    """

    path: Path
    run: str
    step: int | None = None
    stage: int | None = None
    greatest_stage: int | None = None
    exact_match: float | None = None
    implicit: bool = False
    best: bool = False
    latest: bool = False
    mixed: bool = False
    is_control: bool = False
    task: str = ""
    phase: str = ""

    @property
    def answers(self) -> bool:
        """Can it answer? One half of ICoT-KD's pair can't."""
        return self.phase not in HALVES

    @property
    def is_pair(self) -> bool:
        """Is it ICoT-KD's pair, whose thought is emulated and never written?"""
        return self.phase == PAIR

    @property
    def label(self) -> str:
        """Short, and different for all checkpoints of a run."""
        if self.step is None:
            return self.run
        return " ".join(filter(None, (self.run, self.phase, f"step {self.step:,}")))


def run_entries(run: RunFolder) -> list[CheckpointEntry]:
    """All checkpoints of a run, sorted by stage and then by age."""
    config, greatest, results = _config(run), greatest_stage(run.journal), _results(run)
    shared = CheckpointEntry(
        path=run.path,
        run=run.name,
        greatest_stage=greatest,
        mixed=config is not None and has_mixed_stages(config),
        is_control=config is not None and method_of(config).is_control,
        task="" if config is None else _task(config),
    )
    found = []
    for checkpoint in named_checkpoints(run.checkpoints):
        if (stage := _stage(checkpoint)) is None and not checkpoint.path.exists():
            continue  # deleted meanwhile; what is damaged is told when it is opened
        phase, step = checkpoint.phase.partition("-")[2], checkpoint.step
        entry = replace(shared, path=checkpoint.path, phase=phase, step=step, stage=stage)
        implicit = greatest is not None and stage is not None and stage >= greatest
        found.append(replace(entry, exact_match=results.get((phase, step)), implicit=implicit))
    rated = [entry for entry in found if entry.answers and entry.exact_match is not None]
    best = max(rated, key=lambda one: (one.implicit, one.exact_match or 0.0), default=None)
    marked = [replace(one, best=one is best, latest=one is found[-1]) for one in found]
    return sorted(marked, key=lambda entry: entry.stage or 0)


def _stage(checkpoint: CheckpointPath) -> int | None:
    """Of its state, or if that is damaged of what it says of itself; None if both are."""
    if (stage := stage_of(checkpoint)) is not None:
        return stage
    try:
        about = read_description(checkpoint.path)
    except UserError:
        return None
    return None if about is None else about.stage


def _results(run: RunFolder) -> dict[tuple[str, int], float | None]:
    """Exact match by training and step: one training's last step is also the next one's first.

    A step is evaluated once: where a run went back, the later line counts.
    """
    evaluations = read_run(run).summary.metrics.evaluations
    return {
        ("" if one.phase is None else one.phase.phase, one.result.step): one.result.exact_match
        for one in evaluations
    }


def _config(run: RunFolder) -> RunConfig | None:
    try:
        return load_config(run.config).config
    except (UserError, OSError):
        return None


def has_mixed_stages(config: RunConfig) -> bool:
    """Is the run trained at all stages at once, so that a budget of thought can be chosen?"""
    return method_of(config).removes_tokens and config.curriculum.mixed_stages > 0


def writes_no_chain(config: RunConfig) -> bool:
    """Is no checkpoint of the run ever trained to write a chain of thought?"""
    method = method_of(config)
    return method.uses_curriculum and not (method.removes_tokens or method.writes_cot)


def _task(config: RunConfig) -> str:
    data = config.data
    return json.dumps([data.task, data.options, str(data.train), str(data.validation)], default=str)


def all_entries(sources: Sequence[Path]) -> list[CheckpointEntry]:
    """Checkpoints of runs, and single ones, sorted by stage and then by age."""
    found: dict[Path, CheckpointEntry] = {}
    for source in sources:
        is_run = (source / "config.toml").is_file()
        for entry in run_entries(RunFolder(source)) if is_run else [_single(source)]:
            found[entry.path] = entry

    def by_stage(entry: CheckpointEntry) -> tuple[int, str, int]:
        return -1 if entry.stage is None else entry.stage, entry.run, entry.step or 0

    return sorted(found.values(), key=by_stage)


def modified_times(sources: Sequence[Path]) -> tuple[int, ...]:
    """Change when a checkpoint comes or goes, and cost next to nothing."""
    times = []
    for source in sources:
        try:
            times.append((source / "checkpoints").stat().st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)


def _single(path: Path) -> CheckpointEntry:
    """A checkpoint that was named by itself, with what its run tells if it has one."""
    run = RunFolder(path.resolve().parent.parent)
    if (run.path / "config.toml").is_file():
        for entry in run_entries(run):
            if entry.path.resolve() == path.resolve():
                return entry
    phase = PAIR if (path / PARTS).is_file() else ""
    try:
        about = read_description(path)
        config = None if about is None else about.run_config()
    except UserError:  # said when it is opened
        about = config = None
    if about is None or config is None:
        return CheckpointEntry(path=path, run=path.name, phase=phase)
    return CheckpointEntry(
        path=path,
        run=path.name,
        step=about.step,
        stage=about.stage,
        greatest_stage=about.greatest_stage,
        implicit=about.stage >= about.greatest_stage,
        mixed=has_mixed_stages(config),
        is_control=method_of(config).is_control,
        task=_task(config),
        phase=about.phase.partition("-")[2],
    )


def newest_of_each_stage(entries: Iterable[CheckpointEntry]) -> list[CheckpointEntry]:
    """The newest checkpoint that answers, of each stage of each run."""
    return list({(one.run, one.stage): one for one in entries if one.answers}.values())


def no_cot_control(
    entry: CheckpointEntry, others: Sequence[CheckpointEntry]
) -> CheckpointEntry | None:
    """The best No-CoT checkpoint of the same task."""
    if entry.is_control:
        return None
    fits = [other for other in others if other.is_control and other.task == entry.task]
    return max(fits, key=lambda other: (other.best, other.step or 0), default=None)


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
    paths = (Path(name).expanduser(), runs / name)
    return next((path for path in paths if name and path.is_dir()), None)


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
    unread = [entry for entry in entries if entry.stage is None]
    if which == BEST:
        found = [entry for entry in entries if entry.best]
        unread = [entry for entry in unread if entry.exact_match is not None and not entry.best]
        if not found:
            raise UserError(f"no checkpoint of run {run.name} was evaluated yet: use @latest")
    else:
        named = [e for e in entries if which and which in (e.phase, e.path.name)]
        found = named or [e for e in entries if e.answers and which == str(e.stage)]
        unread = [] if named else unread
    if not found:
        stages = ", ".join(map(str, sorted({entry.stage or 0 for entry in entries})))
        phases = ", ".join(dict.fromkeys(entry.phase for entry in entries if entry.phase))
        known = f"its stages are {stages}" + (f", its trainings {phases}" if phases else "")
        raise UserError(f"run {run.name} has no checkpoint '@{which}': {known}")
    if unread:
        raise UserError(
            f"{unread[0].path.name} of run {run.name} is damaged, so that what @{which} is can't "
            f"be known: name a checkpoint, as {run.name}@{found[-1].path.name}"
        )
    return found[-1].path
