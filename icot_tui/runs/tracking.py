"""Opens the trackers of a run: its name, config and tags, and where their files go."""

from collections.abc import Sequence
from pathlib import Path

from icot_tui.config import RunConfig, method_of
from icot_tui.engine.journal.tracker_clients import TrackedRun, open_tracker
from icot_tui.engine.journal.trackers import Trackers, flat
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.notes import read_notes


def open_trackers(
    names: Sequence[str], folder: RunFolder, config: RunConfig, files: Path | None = None
) -> Trackers:
    """Start a run in each of these trackers.

    Args:
        names: of the trackers.
        folder: the run.
        config: its configuration.
        files: a folder for TensorBoard's and W&B's files; None: in the run's folder.

    Raises:
        UserError: a library is not installed, or a tracker can't be started.
    """
    run = TrackedRun(
        name=folder.name,
        project=config.trackers.project,
        config=flat(config.model_dump()),
        tags=(method_of(config).name, *read_notes(folder).tags),
        files=tracker_files(folder, config, files),
    )
    return Trackers({name: open_tracker(name, run) for name in names}, folder.samples)


def tracker_files(folder: RunFolder, config: RunConfig, files: Path | None = None) -> Path:
    """Where TensorBoard's and W&B's files of a run go: in `files`, or else in its folder."""
    return files or folder.path / config.trackers.project
