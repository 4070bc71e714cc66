"""Fills experiment trackers with past runs, as if they had been told while the runs trained."""

from collections.abc import Sequence
from pathlib import Path

from icot_tui.config.loading import load_config
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.tracking import open_trackers, tracker_files
from icot_tui.studies.exporting import model_card


def export_to_tracker(name: str, runs: Sequence[RunFolder], out: Path | None = None) -> list[Path]:
    """Write the effective history of runs, without what resumes undid, and their model cards.

    Args:
        name: of the tracker.
        runs: each becomes a run there.
        out: folder for the tracker's files, a folder for each run; None: in the run's folder.

    Returns:
        For each run, the folder of the tracker's files.

    Raises:
        UserError: the library is not installed, a run can't be read, or TensorBoard's files are
            there already: it would show each point twice.
    """
    configs = [load_config(run.config).config for run in runs]
    places = [out and out / run.name for run in runs]
    files = list(map(tracker_files, runs, configs, places))
    for folder in files if name == "tensorboard" else ():
        if any(folder.glob("events.out.tfevents.*")):
            raise UserError(
                f"{folder} has events of this run already, which TensorBoard would show with the "
                "new ones: remove it, or name another folder with --out"
            )
    for run, config, place in zip(runs, configs, places, strict=True):
        trackers = open_trackers([name], run, config, place)
        try:
            for time, event in effective(JournalReader(run.journal).events()):
                trackers.write(time, event)
            try:
                trackers.page("model_card", model_card(run))
            except UserError as error:  # it has none yet
                trackers.page("model_card", str(error))
        finally:
            trackers.close()
    return files
