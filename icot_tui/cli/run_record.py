"""What can be read of a run, even of a damaged one."""

import time
from dataclasses import dataclass

from icot_tui.config import RunConfig
from icot_tui.config.loading import load_config
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError


@dataclass(frozen=True)
class RunRecord:
    """Everything that can be read of a run; `problem` says what can't."""

    folder: RunFolder
    config: RunConfig | None
    summary: RunSummary
    problem: str | None

    @property
    def status(self) -> str:
        """What the run does, or that its folder is damaged."""
        if self.problem is not None:
            return "damaged"
        return self.summary.status(self.folder.is_locked(), time.time())

    @property
    def method(self) -> str:
        """The method's name."""
        if self.summary.facts is not None:
            return self.summary.facts.method
        return "" if self.config is None else self.config.method.name


def read_run(folder: RunFolder) -> RunRecord:
    """Read a run's config and journal as far as they are intact."""
    config, summary, problem = None, RunSummary(), None
    try:
        config = load_config(folder.config).config
    except (UserError, OSError) as error:
        problem = str(error)
    try:
        summary = RunSummary.of(JournalReader(folder.journal).events(), config)
    except Exception as error:  # whatever it contains: a list of runs must not break
        problem = problem or f"{folder.journal} cannot be read: {error}"
    return RunRecord(folder, config, summary, problem)
