"""The folder of a new run: made before PyTorch is imported, removed if nothing was trained."""

import shutil
from pathlib import Path

from icot_tui.config import RunConfig, default_separator, dump_toml
from icot_tui.data.comparison import default_compare
from icot_tui.engine.journal.events import ExampleShown, RunEnded, RunStarted, Warned
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError


def create_run(config: RunConfig, runs: Path) -> RunFolder:
    """A new run folder for a config; nothing is trained yet.

    What depends on data and model is decided and written down, so that the run's numbers keep
    their meaning.
    """
    decided = _with_separator(_with_compare(config))
    return RunFolder.create(runs, config.name, dump_toml(decided))


def _with_separator(config: RunConfig) -> RunConfig:
    if config.data.separator is not None:
        return config
    data = config.data.model_copy(update={"separator": default_separator(config)})
    return config.model_copy(update={"data": data})


def _with_compare(config: RunConfig) -> RunConfig:
    """The config with `evaluation.compare` decided by the held-out answers of files."""
    if config.data.task is not None or config.evaluation.compare is not None:
        return config
    from icot_tui.data.splits import first_answers, open_source  # numpy: not for the first frame

    try:
        compare = default_compare(first_answers(open_source(config.data)))
    except UserError:  # of data that can't be read, the training says what is wrong
        return config
    evaluation = config.evaluation.model_copy(update={"compare": compare})
    return config.model_copy(update={"evaluation": evaluation})


def _holds_work(folder: RunFolder) -> bool:
    """Has a training saved anything, or a prompted model been asked?"""
    before = (RunStarted, ExampleShown, Warned, RunEnded)
    saved = folder.checkpoints.is_dir() and any(folder.checkpoints.iterdir())
    return saved or any(
        not isinstance(event, before) for _, event in JournalReader(folder.journal).events()
    )


def remove_empty_run(folder: RunFolder, is_new: bool) -> str:
    """Remove a new run's folder if nothing was trained in it; says so, or is empty."""
    if not is_new or _holds_work(folder):
        return ""
    try:
        folder.lock()
    except UserError:  # another trainer has resumed it
        return ""
    shutil.rmtree(folder.path, ignore_errors=True)
    folder.unlock()
    return f"nothing was trained, so {folder.path} was removed"
