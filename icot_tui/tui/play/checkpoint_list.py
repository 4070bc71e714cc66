"""Which checkpoints can be asked: those of the runs and folders that were named."""

import json
from collections.abc import Sequence
from pathlib import Path

from icot_tui.config import RunConfig, load_config
from icot_tui.engine.checkpoints.checkpoint import PARTS
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.tui.play.records import PAIR, CheckpointEntry


def stamp(sources: Sequence[Path]) -> tuple[int, ...]:
    """Changes when a checkpoint comes or goes; costs next to nothing."""
    stamps = []
    for source in sources:
        try:
            stamps.append((source / "checkpoints").stat().st_mtime_ns)
        except OSError:
            stamps.append(0)
    return tuple(stamps)


def find_sources(names: Sequence[str], runs: Path) -> list[Path]:
    """Folders of runs and checkpoints by their names; without any, the latest run.

    Raises:
        UserError: there is none of that name.
    """
    if not names:
        return [RunFolder.find(runs, None).path]
    return [_source(name, runs) for name in names]


def _source(name: str, runs: Path) -> Path:
    for path in (Path(name).expanduser(), runs / name):
        if name and path.is_dir():
            return path
    from icot_tui.analysis.checkpoints import find_checkpoint

    return find_checkpoint(name, runs)  # RUN@STAGE, or the sentence that says what there is


def list_checkpoints(sources: Sequence[Path]) -> list[CheckpointEntry]:
    """All checkpoints of the runs, and the single ones, sorted by stage and then by age."""
    found: dict[Path, CheckpointEntry] = {}
    for source in sources:
        is_run = (source / "config.toml").is_file()
        for entry in _of_run(RunFolder(source)) if is_run else [_single(source)]:
            found[entry.path] = entry
    return sorted(found.values(), key=_order)


def _order(entry: CheckpointEntry) -> tuple[int, str, int]:
    return (-1 if entry.stage is None else entry.stage, entry.run, entry.step or 0)


def _of_run(run: RunFolder) -> list[CheckpointEntry]:
    from icot_tui.analysis.checkpoints import catalogue
    from icot_tui.engine.evaluation.removal_plans import max_cot_tokens

    config, most = _config(run), max_cot_tokens(run)
    method = "" if config is None else config.method.name
    mixed = config is not None and method == "stepwise" and config.curriculum.mixed_stages > 0
    return [
        CheckpointEntry(
            path=entry.path,
            run=run.name,
            step=entry.step,
            stage=entry.stage,
            most=most,
            exact_match=entry.exact_match,
            implicit=entry.implicit,
            best=entry.best,
            latest=entry.latest,
            mixed=mixed,
            method=method,
            task=_task(config),
            phase=entry.phase,
            answers=entry.answers,
        )
        for entry in catalogue(run)
    ]


def _single(path: Path) -> CheckpointEntry:
    """A checkpoint that was named by itself: its run tells about it, if it has one."""
    run = RunFolder(path.resolve().parent.parent)
    if (run.path / "config.toml").is_file():
        for entry in _of_run(run):
            if entry.path.resolve() == path.resolve():
                return entry
    return CheckpointEntry(path, path.name, phase=PAIR if (path / PARTS).is_file() else "")


def _config(run: RunFolder) -> RunConfig | None:
    try:
        return load_config(run.config).config
    except (UserError, OSError):
        return None


def _task(config: RunConfig | None) -> str:
    if config is None:
        return ""
    data = config.data
    return json.dumps([data.task, data.options, str(data.train), str(data.validation)], default=str)


def no_cot_control(
    entry: CheckpointEntry, there: Sequence[CheckpointEntry]
) -> CheckpointEntry | None:
    """The best No-CoT checkpoint of the same task, which tells apart what any model must hold."""
    fits = [
        other
        for other in there
        if other.method == "no_cot" and other.task == entry.task and entry.method != "no_cot"
    ]
    return max(fits, key=lambda other: (other.best, other.step or 0), default=None)
